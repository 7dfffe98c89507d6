import { describe, expect, test } from "vitest";
import { brokenPromises, differences, streamSettings, subjectPrefix, wantedConfig } from "./stream-settings.ts";

const choice = { name: "QUOTER_EVENTS", replicas: 3, maxBytes: 1_000_000 };

describe("the stream's settings", () => {
  test("subjects are made from the name", () => {
    expect(subjectPrefix("QUOTER_EVENTS")).toBe("quoter.events");
    expect(wantedConfig(choice)).toMatchObject({
      subjects: ["quoter.events.*"],
      num_replicas: 3,
      max_bytes: 1_000_000,
    });
  });

  test("every row has a reason", () => {
    for (const { field, reason } of streamSettings(choice)) expect(reason, field).not.toBe("");
  });

  test("a stream as wanted has no differences, also when the server leaves out what is off", () => {
    const { sealed: _, allow_direct: __, ...answered } = wantedConfig(choice);
    expect(differences(answered, choice)).toEqual([]);
    expect(brokenPromises(answered, choice)).toBeUndefined();
  });

  test("another size is a difference, but no reason to refuse the stream", () => {
    const actual = { ...wantedConfig(choice), max_bytes: 5 };
    expect(differences(actual, choice)).toMatchObject([{ field: "max_bytes", wanted: 1_000_000, actual: 5 }]);
    expect(brokenPromises(actual, choice)).toBeUndefined();
  });

  test("a stream that forgets events is refused, with what to do", () => {
    const forgetful = { ...wantedConfig(choice), max_age: 5, discard: "old" as const };
    expect(brokenPromises(forgetful, choice)).toBe(
      "stream QUOTER_EVENTS: " +
        "max_age is 5 instead of 0 (events never grow too old: the log is the truth, not a queue); " +
        'discard is "old" instead of "new" (a full log refuses the next event instead of forgetting the first); ' +
        "`ferry events apply` changes it",
    );
    const inMemory = { ...wantedConfig(choice), storage: "memory" as const };
    expect(brokenPromises(inMemory, choice)).toContain("the server cannot change this: name another stream");
  });
});
