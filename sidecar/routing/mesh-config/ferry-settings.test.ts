// Holds for every row of every topic, those to come too: the table cannot have a key without effect, a default that
// is not the one in force, or a field of a policy that no key sets. That the data part reads each field is held by
// scripts/honoured-settings.test.ts.

import { describe, expect, test } from "vitest";
import { type CallPolicy, defaultCallPolicy } from "../policy/call-policy.ts";
import { checkFerrySettings, type FerrySetting, ferrySettings, readPolicy, topicTitles } from "./ferry-settings.ts";

/** Values of every form that there is: the words and the examples that a row itself names, and usual ones. */
function candidates({ expected }: FerrySetting): readonly string[] {
  const words = /^one of (.*)$/.exec(expected)?.[1]?.split(", ") ?? [];
  const examples = [...expected.matchAll(/\bas (.+?)(?=, (?:or|at|if)|$)/g)].flatMap(([, text = ""]) =>
    text.split(" or "),
  );
  const others = [
    "0",
    "1",
    "2",
    "7",
    "50",
    "0.5",
    "250ms",
    "7s",
    "90s",
    "5m",
    "on",
    "off",
    "yes",
    "no",
    "true",
    "false",
  ];
  return [...words, ...examples, ...others, "ABORTED", "UNAVAILABLE,ABORTED", "none", "x-example", "example", "v2"];
}

/** The policies that one key alone can make of the default. */
function effectsOf(setting: FerrySetting): readonly CallPolicy[] {
  return candidates(setting)
    .map((text) => setting.read(defaultCallPolicy, text))
    .filter((policy) => policy !== undefined);
}

const getQuote = "quoter.query.v1.QuoteQueryService/GetQuote";

test.each([
  ["ferry_retrys", "ferry_retries"],
  ["FERRY_RETRIES", "ferry_retries"],
  ["ferry_retry_shedule:a.B/*", "ferry_retry_schedule:a.B/*"],
  ["ferry_retry_atempts", ""],
  ["ferry_nothing", ""],
])("the unknown key %s is told with the one that was probably meant: %j", (key, suggestion) => {
  expect(checkFerrySettings({ [key]: "1" })).toMatchObject([{ key, suggestion }]);
});

describe("a value that is not right", () => {
  test.each([
    ["ferry_retry_schedule", "talkk", "talk"],
    ["ferry_retry_schedule", "exponential", ""],
    ["ferry_retry_on", "UNAVALABLE,aborted", "UNAVAILABLE,ABORTED"],
    ["ferry_retry_on", "resource-exhausted", "RESOURCE_EXHAUSTED"],
    ["ferry_retry_on", "often", ""],
    ["ferry_try_timeout", "500", "500s or 500ms"],
    ["ferry_try_timeout", 500, "500s or 500ms"],
    ["ferry_try_timeout", "half a second", ""],
    ["ferry_retries", "three", ""],
  ])("%s: %j is told with what was probably meant: %j", (key, value, suggestion) => {
    expect(checkFerrySettings({ [key]: value })).toMatchObject([{ key, found: JSON.stringify(value), suggestion }]);
  });
});

describe("the table of our own settings", () => {
  test.each(ferrySettings.map((setting) => [setting.key, setting] as const))("%s changes the policy", (_, setting) => {
    expect(effectsOf(setting).some((policy) => !same(policy, defaultCallPolicy))).toBe(true);
  });

  test.each(ferrySettings.map((setting) => [setting.key, setting] as const))(
    "%s has the default that is in force",
    (_, setting) => {
      if (setting.default === "") return; // Documented as nothing; nothing can be read.
      expect(setting.read(defaultCallPolicy, setting.default)).toEqual(defaultCallPolicy);
    },
  );

  test("every field of every policy is set by a key of its topic, or by a field of Consul's alone", () => {
    const unset: string[] = [];
    for (const topic of Object.keys(defaultCallPolicy) as (keyof CallPolicy)[]) {
      const effects = ferrySettings.filter((setting) => setting.topic === topic).flatMap(effectsOf);
      const defaults: Readonly<Record<string, unknown>> = { ...defaultCallPolicy[topic] };
      for (const field of Object.keys(defaults)) {
        const isSet = effects.some((policy) => !same(fieldOf(policy, topic, field), defaults[field]));
        if (!isSet) unset.push(`${topic}.${field}`);
      }
    }
    // RetryOn and RetryOnStatusCodes of a route, for answers that are not gRPC.
    expect(unset).toEqual(["retry.httpStatuses"]);
  });

  test("no key changes what another key of its topic sets, so that each is in force as it is shown", () => {
    const meddling: string[] = [];
    for (const setting of ferrySettings) {
      const { topic } = setting;
      const changedBy = effectsOf(setting).map((policy) =>
        Object.keys(policy[topic]).filter(
          (field) => !same(fieldOf(policy, topic, field), fieldOf(defaultCallPolicy, topic, field)),
        ),
      );
      if (new Set(changedBy.flat()).size > 1) meddling.push(setting.key);
    }
    expect(meddling).toEqual([]);
  });

  test("every key is written once, in lower case, under a topic with a title", () => {
    const keys = ferrySettings.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { key, topic } of ferrySettings) {
      expect(key).toMatch(/^ferry_[a-z][a-z0-9_]*$/);
      expect(topicTitles[topic]).toMatch(/^[A-Z]/);
    }
  });
});

describe("readPolicy", () => {
  test("a key of one method changes that method's policy alone, over what is for its service and for all", () => {
    const { policy, problems } = readPolicy([
      { origin: "global", values: { ferry_retries: 1, [`ferry_retries:${getQuote}`]: 4 } },
      { origin: "own", values: { "ferry_retries:quoter.query.v1.QuoteQueryService/*": "3" } },
    ]);
    expect(problems).toEqual([]);
    expect(policy.all.retry.retries).toBe(1);
    expect(policy.methods.map(({ method, policy: its }) => [method, its.retry.retries])).toEqual([
      [getQuote, 4],
      ["quoter.query.v1.QuoteQueryService/*", 3],
    ]);
  });

  test("a bad value is a problem and leaves what the layer below says", () => {
    const { policy, problems } = readPolicy([
      { origin: "global", values: { ferry_retries: 1 } },
      { origin: "own", values: { ferry_retries: "many" } },
    ]);
    expect(policy.all.retry.retries).toBe(1);
    expect(policy.origins).toEqual({ ferry_retries: { value: "1", origin: "global" } });
    expect(problems).toHaveLength(1);
  });

  test("a key for a whole service is refused with a method, and the key without is suggested", () => {
    for (const { key } of ferrySettings.filter(({ scope }) => scope === "service")) {
      const [problem, ...more] = checkFerrySettings({ [`${key}:${getQuote}`]: "1" });
      expect(problem).toMatchObject({ key: `${key}:${getQuote}`, suggestion: key });
      expect(more).toEqual([]);
    }
  });

  test("what is no text, number or boolean is refused", () => {
    for (const value of [null, [1], { a: 1 }]) {
      const [problem] = checkFerrySettings({ ferry_retries: value });
      expect(problem).toMatchObject({ key: "ferry_retries", found: JSON.stringify(value) });
    }
  });
});

function fieldOf(policy: CallPolicy, topic: keyof CallPolicy, field: string): unknown {
  return (policy[topic] as unknown as Readonly<Record<string, unknown>>)[field];
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
