// A short run of the fuzzer with a fixed seed, and that a seed makes the same cases again.

import { expect, test } from "vitest";
import { makeTrial } from "./make-trial.ts";
import { readCorpus } from "./recording.ts";
import { runTrial } from "./trial.ts";

const corpus = readCorpus();

test("the corpus holds a dozen conversations of four makes", () => {
  expect(corpus.map(({ name }) => name.split("-")[0])).toEqual(
    expect.arrayContaining(["node", "grpc", "nghttp", "curl"]),
  );
  expect(corpus.length).toBeGreaterThanOrEqual(12);
});

test("what was recorded breaks no rule of ours, in either role", async () => {
  for (const { name, client, server } of corpus) {
    for (const [role, octets] of [["server", client] as const, ["client", server] as const]) {
      const trial = { role, reads: [octets], behaviour: 0, ending: "closes" as const };
      const { problems, goawayCode } = await runTrial(trial);
      expect({ name, role, problems }).toEqual({ name, role, problems: [] });
      // A recorded server answers streams that our client here did not open; all else is without fault.
      if (role === "server") expect({ name, goawayCode }).toEqual({ name, goawayCode: -1 });
    }
  }
});

test("the same seed and step make the same conversation, others make others", () => {
  const [first, again, other] = [makeTrial(corpus, 3, 5), makeTrial(corpus, 3, 5), makeTrial(corpus, 3, 6)];
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
});

// Three seconds of work on an idle machine.
test("a thousand broken conversations leave no exception, stream, timer or octet behind", {
  timeout: 60_000,
}, async () => {
  for (let step = 0; step < 1000; step++) {
    const trial = makeTrial(corpus, 20_240, step);
    const { problems } = await runTrial(trial);
    expect({ step, what: trial.what, problems }).toEqual({ step, what: trial.what, problems: [] });
  }
});
