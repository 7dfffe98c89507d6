// A key that no code honours cannot exist, nor a decision that nobody makes: every field of every policy is read by the
// data part, every kind of decision is noted by some layer. That each key sets a field, and each field has a key, is
// held by sidecar/routing/mesh-config/ferry-settings.test.ts.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decisions } from "../sidecar/decision.ts";
import { defaultCallPolicy } from "../sidecar/routing/policy/call-policy.ts";
import { type Token, tokenise } from "./source-tokens.ts";
import { listTrackedFiles, root } from "./tracked-files.ts";

/** The sidecar's own code, without tests and without the tables themselves. */
const sources: ReadonlyMap<string, readonly Token[]> = new Map(
  listTrackedFiles(".ts")
    .filter((file) => file.startsWith("sidecar/") && !/\.(test|suite)\.ts$|\/testing\//.test(file))
    .filter((file) => !/^sidecar\/(routing\/(policy|mesh-config)\/|decision\.ts)/.test(file))
    .map((file) => [file, tokenise(readFileSync(root + file, "utf8"))]),
);

/** Whether `name` stands behind a dot, or in a pattern that takes an object apart. */
function reads(tokens: readonly Token[], name: string): boolean {
  return tokens.some(({ kind, text }, at) => {
    if (kind !== "word" || text !== name) return false;
    const before = tokens[at - 1]?.text ?? "";
    const after = tokens[at + 1]?.text ?? "";
    return before === "." || before === "?." || (["{", ","].includes(before) && [",", "}", ":"].includes(after));
  });
}

test("every topic of the policy, and every field of it, is read by a layer", () => {
  const unread: string[] = [];
  for (const [topic, policy] of Object.entries(defaultCallPolicy)) {
    const readers = [...sources.values()].filter((tokens) => reads(tokens, topic));
    const policyType = `${topic[0]!.toUpperCase()}${topic.slice(1)}Policy`;
    const users = [...sources.values()].filter((tokens) => tokens.some(({ text }) => text === policyType));
    for (const field of Object.keys(policy)) {
      if (![...readers, ...users].some((tokens) => reads(tokens, field))) unread.push(`${topic}.${field}`);
    }
  }
  expect(unread).toEqual([]);
});

test("every kind of decision is noted by a layer", () => {
  const noting = [...sources.values()].filter((tokens) => tokens.some(({ text }) => /^note\w*$/i.test(text)));
  const words = new Set(noting.flat().flatMap(({ kind, text }) => (kind === "string" ? [text] : [])));
  expect(Object.keys(decisions).filter((kind) => !words.has(kind))).toEqual([]);
});
