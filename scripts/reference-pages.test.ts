import { describe, expect, test } from "vitest";
import { parseAddress, parseDurationMs, parseText } from "../common/settings.ts";
import { decisions } from "../sidecar/decision.ts";
import { failures } from "../sidecar/failure.ts";
import { ferrySettings, topicTitles } from "../sidecar/routing/mesh-config/ferry-settings.ts";
import { decisionsPage, failuresPage, meshConfigPage, settingsPage } from "./reference-pages.ts";

describe("reference pages", () => {
  test("every kind of failure has a row and an anchor", () => {
    const page = failuresPage(failures);
    for (const kind of Object.keys(failures)) {
      expect(page).toContain(`| [${kind}](#${kind}) |`);
      expect(page).toContain(`\n## ${kind}\n`);
    }
  });

  test("every decision has a row", () => {
    const page = decisionsPage(decisions, 32);
    for (const [kind, sentence] of Object.entries(decisions)) expect(page).toContain(`| \`${kind}\` | ${sentence} |`);
  });

  test("every key of our own stands once, under its topic", () => {
    const page = meshConfigPage(ferrySettings, topicTitles);
    for (const { key, topic } of ferrySettings) {
      expect(page.split(`\n| \`${key}\``)).toHaveLength(2);
      const section = page.split(`\n## ${topicTitles[topic]}\n`)[1]?.split("\n## ")[0];
      expect(section).toContain(`| \`${key}\``);
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
