import { describe, expect, test } from "vitest";
import type { ControlUpdate, DataPartParams } from "../data-part.ts";
import { defaultLimits } from "../http2/limits.ts";
import { defaultCallPolicy, type ServicePolicy } from "../routing/policy/call-policy.ts";
import { rateLimit } from "../routing/policy/rate-limit-form.ts";
import { quoterSnapshot } from "../routing/testing-chain.ts";
import { shareOfParams, shareOfUpdate } from "./worker-share.ts";

const params = (limits = {}): DataPartParams => ({
  plane: { maxCallsInFlight: 10_000, maxReplayBytes: 65_536, limits },
  observation: {
    ...{ service: "a", instance: "a-1", version: "", isGateway: false },
    ...{ otlpEndpoint: null, otelServiceName: null, hasAccessLog: false },
  },
  sampleRatio: 1,
});

function rates(text: string) {
  const limit = rateLimit.parse(text);
  if (limit === undefined || limit === "none") throw new Error(`${text} is no rate`);
  return limit;
}

describe("of three workers each", () => {
  test("has a third, rounded up, of the sidecar's calls and bytes, and all of what is per connection or call", () => {
    const { plane } = shareOfParams(params({ maxBufferedBytes: 1_000, maxConcurrentStreams: 100 }), 3);
    expect(plane).toEqual({
      maxCallsInFlight: 3_334,
      maxReplayBytes: 65_536,
      limits: { maxBufferedBytes: 334, maxConcurrentStreams: 100 },
    });
    expect(shareOfParams(params(), 3).plane.limits).toEqual({
      maxBufferedBytes: Math.ceil(defaultLimits.maxBufferedBytes / 3),
    });
  });

  test("has a third of each service's places, and its retries and ejections as they are", () => {
    const snapshot = quoterSnapshot();
    const update = shareOfUpdate({ kind: "snapshot", snapshot }, 3) as ControlUpdate & { kind: "snapshot" };
    const names = Object.keys(snapshot.policies);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const [before, after] = [snapshot.policies[name]!.all, update.snapshot.policies[name]!.all];
      expect(after.limit.maxCalls).toBe(Math.ceil(before.limit.maxCalls / 3));
      expect(after.limit.inboundMaxCalls).toBe(Math.ceil(before.limit.inboundMaxCalls / 3));
      expect(after.mirror.maxCalls).toBe(Math.ceil(before.mirror.maxCalls / 3));
      expect([after.retry, after.ejection, after.budget]).toEqual([before.retry, before.ejection, before.budget]);
    }
    expect({ ...update.snapshot, policies: {} }).toEqual({ ...snapshot, policies: {} });
  });

  test("has a third of a rate, with the text that was written; methods that share buckets still do", () => {
    const inboundRate = rates("3000/s burst 10, web=3/s");
    const limit = { ...defaultCallPolicy.limit, inboundRate };
    const all = { ...defaultCallPolicy, limit };
    const method = { method: "a.B/C", policy: { ...all, limit: { ...limit, hasInboundAdaptive: true } } };
    const policy: ServicePolicy = { all, methods: [method], origins: {} };
    const update = shareOfUpdate({ kind: "policy", policy }, 3) as ControlUpdate & { kind: "policy" };
    const shared = update.policy.all.limit.inboundRate!;
    expect(shared.total).toEqual({ perMs: 1, burst: 4, text: "3000/s burst 10" });
    expect(shared.bySource).toEqual({ web: { perMs: 0.001, burst: 1, text: "3/s" } });
    expect(update.policy.methods[0]!.policy.limit.inboundRate).toBe(shared);
  });
});

test("what has no amount goes to every worker as it is", () => {
  const update: ControlUpdate = { kind: "edge", facts: { isDraining: true } };
  expect(shareOfUpdate(update, 3)).toBe(update);
});
