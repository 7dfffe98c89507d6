// What one of N workers gets of limits that hold for the sidecar as a whole: an N-th, rounded up, of everything that
// counts calls, rates and octets. So the sidecar never takes more than N - 1 above what was set. What is per
// connection, per call or per try is not shared out; neither are budgets in percent. Pure: plain data in and out.

import type { ControlUpdate, DataPartParams } from "../data-part.ts";
import { defaultLimits } from "../http2/limits.ts";
import type { CallPolicy, ServicePolicy } from "../routing/policy/call-policy.ts";
import type { Rate, RateLimit } from "../routing/policy/rate-limit-form.ts";

export function shareOfParams(params: DataPartParams, workers: number): DataPartParams {
  const { plane } = params;
  const maxBufferedBytes = plane.limits.maxBufferedBytes ?? defaultLimits.maxBufferedBytes;
  return {
    ...params,
    plane: {
      ...plane,
      maxCallsInFlight: Math.ceil(plane.maxCallsInFlight / workers),
      limits: { ...plane.limits, maxBufferedBytes: Math.ceil(maxBufferedBytes / workers) },
    },
  };
}

export function shareOfUpdate(update: ControlUpdate, workers: number): ControlUpdate {
  switch (update.kind) {
    case "snapshot": {
      const policies = Object.entries(update.snapshot.policies).map(
        ([service, policy]) => [service, shareOfPolicy(policy, workers)] as const,
      );
      return { ...update, snapshot: { ...update.snapshot, policies: Object.fromEntries(policies) } };
    }
    case "policy":
      return { ...update, policy: shareOfPolicy(update.policy, workers) };
    default:
      return update;
  }
}

function shareOfPolicy(policy: ServicePolicy, workers: number): ServicePolicy {
  // Methods that inherit a rate hold the very object of the wider key, and share its buckets for it.
  const rates = new Map<RateLimit, RateLimit>();
  const rateOf = (rate: RateLimit) => {
    const shared = rates.get(rate) ?? shareOfRates(rate, workers);
    rates.set(rate, shared);
    return shared;
  };
  const calls = (count: number) => Math.ceil(count / workers);
  const shareOf = ({ limit, mirror, ...rest }: CallPolicy): CallPolicy => ({
    ...rest,
    limit: {
      ...limit,
      maxCalls: calls(limit.maxCalls),
      maxPending: calls(limit.maxPending),
      inboundMaxCalls: calls(limit.inboundMaxCalls),
      inboundMaxPending: calls(limit.inboundMaxPending),
      inboundRate: limit.inboundRate && rateOf(limit.inboundRate),
    },
    mirror: { ...mirror, maxCalls: calls(mirror.maxCalls) },
  });
  const methods = policy.methods.map(({ method, policy: own }) => ({ method, policy: shareOf(own) }));
  return { ...policy, all: shareOf(policy.all), methods };
}

function shareOfRates({ total, bySource, others }: RateLimit, workers: number): RateLimit {
  // The text is for messages: it says what was set.
  const shareOf = (rate: Rate): Rate => ({
    ...rate,
    perMs: rate.perMs / workers,
    burst: Math.ceil(rate.burst / workers),
  });
  const sources = Object.entries(bySource).map(([source, rate]) => [source, shareOf(rate)] as const);
  return {
    total: total && shareOf(total),
    bySource: Object.fromEntries(sources),
    others: others && shareOf(others),
  };
}
