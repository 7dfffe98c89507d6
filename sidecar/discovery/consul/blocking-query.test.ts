import { describe, expect, test } from "vitest";
import { initialQueryState, nextRequest, type QueryResponse, type QueryState } from "./blocking-query.ts";

const moment = { nowMs: 0, random: 0.5 };

function reply(fields: Partial<Extract<QueryResponse, { kind: "reply" }>> = {}): QueryResponse {
  return {
    ...{ kind: "reply", status: 200, marker: "10", fingerprint: "a" },
    ...{ isEmpty: false, isFiltered: false, isLoss: false },
    ...fields,
  };
}

function stateAfter(...responses: QueryResponse[]): QueryState {
  return responses.reduce((state, response) => nextRequest(state, response, moment).state, initialQueryState(0));
}

describe("nextRequest", () => {
  test("the first good reply counts, and the next request blocks on its index", () => {
    const decision = nextRequest(initialQueryState(0), reply(), moment);
    expect(decision).toMatchObject({ verdict: "accept", delayMs: 0, state: { marker: "10" } });
  });

  test("a return without a change is nothing new", () => {
    expect(nextRequest(stateAfter(reply()), reply({ marker: "11" }), moment)).toMatchObject({
      verdict: "same",
      state: { marker: "11" },
    });
  });

  test("an index that went back, one of 0 and an error start anew", () => {
    expect(nextRequest(stateAfter(reply()), reply({ marker: "9" }), moment).state.marker).toBeUndefined();
    expect(nextRequest(stateAfter(), reply({ marker: "0" }), moment).state.marker).toBe("1");
    expect(nextRequest(stateAfter(reply()), { kind: "unreachable" }, moment).state.marker).toBeUndefined();
  });

  test("an error's index and body do not count", () => {
    const decision = nextRequest(stateAfter(reply()), reply({ status: 500, marker: "1", fingerprint: "b" }), moment);
    expect(decision).toMatchObject({ verdict: "failed", state: { marker: undefined, fingerprint: "a" } });
  });

  test("an entry that does not exist is a value", () => {
    expect(nextRequest(stateAfter(), reply({ status: 404 }), moment).verdict).toBe("accept");
  });

  test("errors in a row are asked again ever later, with jitter, up to 5 s", () => {
    const delays: number[] = [];
    let state = initialQueryState(0);
    for (let i = 0; i < 10; i++) {
      const decision = nextRequest(state, { kind: "unreachable" }, { nowMs: 0, random: 0 });
      delays.push(decision.delayMs);
      state = decision.state;
    }
    expect(delays.slice(0, 4)).toEqual([50, 100, 200, 400]);
    expect(delays.at(-1)).toBe(2_500);
    expect(nextRequest(initialQueryState(0), reply({ status: 429 }), { nowMs: 0, random: 0 }).delayMs).toBe(2_500);
  });

  test("an empty list from a blocked query counts after a plain read has said it too", () => {
    const empty = reply({ fingerprint: "[]", isEmpty: true, marker: "11" });
    const proving = nextRequest(stateAfter(reply()), empty, moment);
    expect(proving).toMatchObject({ verdict: "prove", state: { marker: undefined, fingerprint: "a" } });
    expect(nextRequest(proving.state, empty, moment).verdict).toBe("accept");
    expect(nextRequest(proving.state, reply({ status: 403 }), moment).verdict).toBe("failed");
    expect(nextRequest(proving.state, { ...empty, isFiltered: true } as QueryResponse, moment).verdict).toBe("failed");
  });

  test("a set that lacks somebody is held back for 10 s after an outage", () => {
    const recovering = stateAfter(reply(), { kind: "unreachable" });
    const loss = reply({ fingerprint: "b", isLoss: true });
    const held = nextRequest(recovering, loss, { nowMs: 1_000, random: 0 });
    expect(held).toMatchObject({ verdict: "hold", delayMs: 500, state: { fingerprint: "a" } });
    expect(nextRequest(held.state, loss, { nowMs: 10_900, random: 0 }).verdict).toBe("hold");
    expect(nextRequest(held.state, loss, { nowMs: 11_000, random: 0 }).verdict).toBe("accept");
  });

  test("replies that follow each other without end are slowed to two a second", () => {
    let state = initialQueryState(0);
    let nowMs = 0;
    for (let i = 0; i < 40; i++) {
      const decision = nextRequest(state, reply({ marker: `${i + 1}`, fingerprint: `${i}` }), { nowMs, random: 0 });
      state = decision.state;
      nowMs += decision.delayMs;
    }
    expect(nowMs).toBeGreaterThanOrEqual(14_500);
    expect(nowMs).toBeLessThanOrEqual(15_500);
  });
});
