import { describe, expect, test } from "vitest";
import { parseAddress, parseDurationMs, parseText } from "../common/settings.ts";
import { failures } from "../sidecar/failure.ts";
import { failuresPage, settingsPage } from "./reference-pages.ts";

describe("reference pages", () => {
  test("every kind of failure has a row and an anchor", () => {
    const page = failuresPage(failures);
    for (const kind of Object.keys(failures)) {
      expect(page).toContain(`| [${kind}](#${kind}) |`);
      expect(page).toContain(`\n## ${kind}\n`);
    }
  });

  test("a setting shows its parser's own words and its default as one would write it", () => {
    const rows = [
      { env: "FERRY_GRACE", parse: parseDurationMs, fallback: 30_000, unit: "ms", doc: "Patience." },
      { env: "FERRY_LISTEN", parse: parseAddress, fallback: { host: "127.0.0.1", port: 0 }, doc: "Where." },
      { env: "FERRY_HOME", parse: parseText, fallback: undefined, doc: "a | b" },
    ];
    const page = settingsPage([{ title: "T", intro: "I", rows }]);
    expect(page).toContain("| `FERRY_GRACE` | a duration with its unit, as 250ms, 30s or 5m | `30s` | Patience. |");
    expect(page).toContain("| `FERRY_LISTEN` | an address host:port");
    expect(page).toContain("| `127.0.0.1:0` | Where. |");
    expect(page).toContain("| `FERRY_HOME` | text | required | A \\| b. |");
  });
});
