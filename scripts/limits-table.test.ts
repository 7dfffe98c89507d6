import { describe, expect, test } from "vitest";
import { amount, withLimits } from "./limits-table.ts";

describe("the generated part of SECURITY.md", () => {
  const page = [
    "before",
    "<!-- Generated from sidecar/http2/limits.ts by `npm run docs`; do not edit. -->",
    "old",
    "<!-- End of what is generated. -->",
    "after",
    "",
  ].join("\n");
  const rows = { maxFields: { default: 128, reason: "one field too many" } };

  test("has a row for each limit and stays the same when it is made again", () => {
    const made = withLimits(page, rows, ["glitches"]);
    expect(made).toContain("| `maxFields` | 128 | one field too many |\n");
    expect(made).toContain("Reasons: `glitches`.\n");
    expect(made).not.toContain("old");
    expect(made.startsWith("before\n") && made.endsWith("after\n")).toBe(true);
    expect(withLimits(made, rows, ["glitches"])).toBe(made);
  });

  test("is demanded of the page", () => {
    expect(() => withLimits("nothing", rows, [])).toThrow("the page has no part between");
  });

  test.each([
    ["maxHeaderListBytes", 32_768, "32 KiB"],
    ["maxBufferedBytes", 268_435_456, "256 MiB"],
    ["sendStallBytes", 1000, "1,000"],
    ["handshakeMs", 10_000, "10 s"],
    ["idleMs", 300_000, "5 min"],
    ["maxAgeMs", 3_600_000, "1 h"],
    ["ageGraceMs", 0, "none"],
    ["ageJitterPercent", 10, "10 %"],
    ["maxConnections", 10_000, "10,000"],
  ])("says %s of %i as %s", (name, value, text) => {
    expect(amount(name, value)).toBe(text);
  });
});
