import { describe, expect, test } from "vitest";
import type { Outcome } from "../call.ts";
import { type CallEnd, EndpointLoad, isEndpointsFailure } from "./endpoint-load.ts";

function outcome(status: number, failure?: Outcome["failure"]): Outcome {
  return { status, httpStatus: 200, failure };
}

function known(rttMs: number): EndpointLoad {
  const load = new EndpointLoad();
  load.replied(rttMs, 0);
  return load;
}

/** What a call of `method` costs with nobody before it: the response time that it is reckoned with. */
function msOf(load: EndpointLoad, nowMs = 0, method = "/s/M"): number {
  return load.cost(0, method, nowMs);
}

function ended(load: EndpointLoad, how: Outcome, at: Partial<CallEnd> = {}): void {
  load.ended(how, { method: "/s/M", elapsedMs: 1, nowMs: 0, ...at });
}

describe("response time", () => {
  test("a slower reply counts at once, a faster one by as much as time has passed", () => {
    const load = known(10);
    load.replied(100, 0);
    expect(msOf(load)).toBe(100);
    load.replied(10, 0);
    expect(msOf(load)).toBe(100);
    load.replied(10, 10_000);
    expect(msOf(load, 10_000)).toBeCloseTo(100 * Math.exp(-1) + 10 * (1 - Math.exp(-1)));
  });

  test("fades to a 37th part in 36 s without a sample, never below 0.1 ms", () => {
    expect(msOf(known(100), 36_109)).toBeCloseTo(100 / 37, 1);
    expect(msOf(known(100), 3_600_000)).toBe(0.1);
  });

  test("fades without a step where the reckoning changes, at half a second", () => {
    expect(msOf(known(100), 499.999)).toBeCloseTo(msOf(known(100), 500.001), 2);
  });

  test("what is not known and idle costs nothing, then 30 ms a call until a reply comes", () => {
    const load = new EndpointLoad();
    expect(load.cost(0, "/s/M", 0)).toBe(0);
    expect(load.cost(1, "/s/M", 0)).toBe(60);
    load.replied(5, 0);
    expect(load.cost(1, "/s/M", 0)).toBe(10);
  });
});

describe("failures", () => {
  test.each([14, 8, 13, 4, 2, 15])("status %i counts as 5 s, however fast it came", (status) => {
    const load = known(1);
    ended(load, outcome(status));
    expect(msOf(load)).toBe(5_000);
  });

  test.each([0, 3, 5, 6, 9, 10, 11, 12, 16])("status %i is an answer", (status) => {
    const load = known(1);
    ended(load, outcome(status));
    expect(msOf(load)).toBe(1);
  });

  test("a pushback of more than 5 s counts instead, up to 5 minutes", () => {
    const load = known(1);
    ended(load, { ...outcome(14), pushbackMs: 20_000 });
    expect(msOf(load)).toBe(20_000);
    ended(load, { ...outcome(14), pushbackMs: 900_000 });
    expect(msOf(load)).toBe(300_000);
  });

  test("of two that fail, the one that also answers costs less, however many wait there", () => {
    const [all, some] = [known(1), known(1)];
    for (let call = 0; call < 30; call++) {
      ended(all, outcome(14));
      if (call % 3 === 0) ended(some, outcome(14));
      else some.wentWell("/s/M");
    }
    expect(msOf(some) / msOf(all)).toBeGreaterThan(0.2);
    expect(msOf(some) / msOf(all)).toBeLessThan(0.6);
    expect(some.cost(50, "/s/M", 0)).toBeLessThan(all.cost(0, "/s/M", 0));
  });

  test("a failure never makes an endpoint look better than it is", () => {
    const load = known(60_000);
    ended(load, outcome(14));
    expect(msOf(load)).toBe(60_000);
  });

  test("fade as response times do", () => {
    const load = known(1);
    ended(load, outcome(14));
    expect(msOf(load, 36_109)).toBeCloseTo(5_000 / 37, 0);
    expect(msOf(load, 600_000)).toBe(0.1);
  });

  test("count for the method that failed alone, or for all when the endpoint could not be reached", () => {
    const load = known(1);
    ended(load, outcome(14));
    expect(msOf(load, 0, "/s/Other")).toBe(1);
    ended(load, outcome(14, "connect_failed"));
    expect(msOf(load, 0, "/s/Other")).toBe(5_000);
  });

  test("are forgotten when a probe found the method, or the endpoint, to be well", () => {
    const load = known(1);
    ended(load, outcome(14));
    ended(load, outcome(14, "connection_lost"));
    load.pardon("");
    expect(msOf(load, 0, "/s/Other")).toBe(1);
    expect(msOf(load)).toBe(5_000);
    load.pardon("/s/M");
    expect(msOf(load)).toBe(1);
  });

  test("what the caller or our own drain did is not the endpoint's failure; what a Ferry further on refused is", () => {
    expect(isEndpointsFailure(outcome(13, "bad_request"))).toBe(false);
    expect(isEndpointsFailure(outcome(8, "header_too_large"))).toBe(false);
    expect(isEndpointsFailure(outcome(14, "drain_timeout"))).toBe(false);
    expect(isEndpointsFailure(outcome(14, "fault_injected"))).toBe(false);
    expect(isEndpointsFailure(outcome(14, "overloaded"))).toBe(true);
    expect(isEndpointsFailure(outcome(14, "connect_failed"))).toBe(true);
  });
});

describe("calls that were cut off", () => {
  test("count with the time they had taken, when that is more than the endpoint is known for", () => {
    const load = known(10);
    ended(load, outcome(1, "cancelled"), { elapsedMs: 400 });
    expect(msOf(load)).toBe(400);
    ended(load, outcome(1, "cancelled"), { elapsedMs: 2 });
    expect(msOf(load)).toBe(400);
  });

  test("make an endpoint that never answered heavy, for other methods too when it was their deadline", () => {
    const load = new EndpointLoad();
    ended(load, outcome(1, "cancelled"), { elapsedMs: 2_000 });
    expect(msOf(load)).toBe(2_000);
    ended(load, outcome(4, "deadline_exceeded"), { elapsedMs: 3_000 });
    expect(msOf(load, 0, "/s/Other")).toBe(3_000);
  });

  test("say nothing when another try of the same call was answered first", () => {
    const load = known(10);
    ended(load, outcome(1, "superseded"), { elapsedMs: 400 });
    expect(msOf(load)).toBe(10);
  });
});

describe("slow start", () => {
  test("grows from a tenth to the whole in the window", () => {
    const load = new EndpointLoad();
    load.join(1_000);
    expect([1_000, 1_500, 6_000, 11_000, 60_000].map((nowMs) => load.warmth(10_000, nowMs))).toEqual([
      0.1, 0.1, 0.5, 1, 1,
    ]);
  });

  test("begins again when the endpoint comes back, not with every snapshot", () => {
    const load = new EndpointLoad();
    load.join(0);
    load.join(10_000);
    expect(load.warmth(10_000, 10_000)).toBe(1);
    load.leave();
    load.join(20_000);
    expect(load.warmth(10_000, 20_000)).toBe(0.1);
  });
});
