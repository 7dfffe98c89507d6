// The wait for a server by a clock that the test moves.

import { describe, expect, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import { untilThere } from "./start-wait.ts";

describe("the wait for a server at a start", () => {
  /** A server that answers its `answers`-th attempt. */
  function waiting(options: { answers: number; waitMs?: number; signal?: AbortSignal }) {
    const clock = new TestingClock();
    const said: string[] = [];
    let attempts = 0;
    const server = {
      name: "nats at 127.0.0.1:4222",
      advice: "start nats-server",
      attempt: async () => {
        if (++attempts >= options.answers) return "found";
        throw new Error("connection refused");
      },
      whyAway: (error: unknown) => (error as Error).message,
    };
    const { signal, waitMs } = options;
    const found = untilThere(server, clock, {
      onWaiting: (sentence) => said.push(sentence),
      ...(waitMs === undefined ? {} : { waitMs }),
      ...(signal === undefined ? {} : { signal }),
    });
    found.catch(() => {});
    return { clock, said, found, attempts: () => attempts };
  }

  test("a server that is there is found at the first attempt, without a word", async () => {
    const { said, found } = waiting({ answers: 1 });
    expect(await found).toBe("found");
    expect(said).toEqual([]);
  });

  test("says at once and every five seconds that it waits, how long still, and why", async () => {
    const { clock, said, found } = waiting({ answers: 50 });
    await clock.advance(12_000);
    expect(said).toEqual([
      "waiting for nats at 127.0.0.1:4222, 60 s more: connection refused",
      "waiting for nats at 127.0.0.1:4222, 55 s more: connection refused",
      "waiting for nats at 127.0.0.1:4222, 50 s more: connection refused",
    ]);
    await clock.advance(1000);
    expect(await found).toBe("found");
  });

  test("ends after its time in one sentence with what to do", async () => {
    const { clock, found } = waiting({ answers: 1e9 });
    await clock.advance(60_000);
    await expect(found).rejects.toThrow(/^nats at 127\.0\.0\.1:4222: connection refused, for 60 s; start nats-server$/);
    expect(clock.pendingTimers).toBe(0);
  });

  test("makes one attempt when it may not wait", async () => {
    const { said, found, attempts } = waiting({ answers: 2, waitMs: 0 });
    await expect(found).rejects.toThrow(/^nats at 127\.0\.0\.1:4222: connection refused; start nats-server$/);
    expect([attempts(), said]).toEqual([1, []]);
  });

  test("rejects with the signal's reason, between two attempts and during one", async () => {
    const end = new AbortController();
    const { clock, found } = waiting({ answers: 1e9, signal: end.signal });
    await clock.advance(1000);
    end.abort();
    await expect(found).rejects.toBe(end.signal.reason);
    const hanging = { name: "x", advice: "y", attempt: () => new Promise<never>(() => {}), whyAway: () => "z" };
    await expect(untilThere(hanging, clock, { signal: end.signal })).rejects.toBe(end.signal.reason);
    const later = new AbortController();
    const hung = untilThere(hanging, clock, { signal: later.signal });
    later.abort();
    await expect(hung).rejects.toBe(later.signal.reason);
  });

  test("throws at once what time does not mend", async () => {
    const server = {
      name: "x",
      advice: "y",
      attempt: () => Promise.reject(new Error("too old")),
      whyAway: () => undefined,
    };
    await expect(untilThere(server, new TestingClock(), {})).rejects.toThrow(/^too old$/);
  });
});
