// What a service's own settings say about calls that come in, as its sidecar applies them: the control part hands the
// policy over (`apply`), the inbound layers ask per call. Until a policy has come the defaults hold. Places, buckets
// and what the adaptive limits have learnt outlive a change of policy. State per worker.
//
// Hot: `of` runs up to twice per call; without settings per method it is one field read, else one Map lookup.

import type { Clock } from "../../common/clock.ts";
import { AdaptivePlaces } from "../resilience/adaptive-places.ts";
import { CallLimit } from "../resilience/limit.ts";
import { RateBuckets } from "../resilience/rate-limit.ts";
import { defaultServicePolicy, policyFor, type ServicePolicy } from "../routing/policy/call-policy.ts";
import type { RateLimit } from "../routing/policy/rate-limit-form.ts";

/** What counts for the calls of one method; undefined: no such limit. */
export interface MethodRules {
  readonly rate: RateBuckets | undefined;
  readonly adaptive: AdaptivePlaces | undefined;
}

/** Paths come from callers: what is kept of them is bounded. */
const maxPaths = 1_024;
const maxAdaptive = 256;
const maxPathLength = 512;

export class InboundRules {
  /** The places in the application. */
  readonly total: CallLimit;
  readonly #clock: Clock;
  #policy: ServicePolicy = defaultServicePolicy;
  /** When it is the same for all methods. */
  #same: MethodRules | undefined = { rate: undefined, adaptive: undefined };
  readonly #byPath = new Map<string, MethodRules>();
  /** By the key that states the rate: a method, a service's methods, or empty for all. */
  #rates = new Map<string, RateBuckets>();
  #rateNames = new Map<RateLimit, string>();
  readonly #adaptive = new Map<string, AdaptivePlaces>();
  readonly #others: AdaptivePlaces;

  /** `service`: as failures name it. */
  constructor(service: string, clock: Clock) {
    this.#clock = clock;
    this.total = new CallLimit(service, defaultServicePolicy.all.limit.inboundMaxCalls);
    this.#others = new AdaptivePlaces(`other methods of ${service}`, clock.nowMs());
  }

  get maxPending(): number {
    return this.#policy.all.limit.inboundMaxPending;
  }

  /** Puts a policy in force for the next call. */
  apply(policy: ServicePolicy): void {
    this.#policy = policy;
    this.total.places.setLimit(policy.all.limit.inboundMaxCalls);
    this.#applyRates(policy);
    for (const path of this.#adaptive.keys()) {
      if (!policyFor(policy, path).limit.hasInboundAdaptive) this.#adaptive.delete(path);
    }
    this.#byPath.clear();
    const { all, methods } = policy;
    const isSame = methods.length === 0 && !all.limit.hasInboundAdaptive;
    this.#same = isSame ? { rate: this.#ratesFor(all.limit.inboundRate), adaptive: undefined } : undefined;
  }

  of(path: string): MethodRules {
    return this.#same ?? this.#byPath.get(path) ?? this.#learn(path);
  }

  /** Every adaptive limit that is in use, for metrics. */
  adaptive(): Iterable<AdaptivePlaces> {
    return this.#adaptive.values();
  }

  #learn(path: string): MethodRules {
    const { limit } = policyFor(this.#policy, path);
    const rules = {
      rate: this.#ratesFor(limit.inboundRate),
      adaptive: limit.hasInboundAdaptive ? this.#adaptiveFor(path) : undefined,
    };
    if (path.length > maxPathLength) return rules;
    if (this.#byPath.size >= maxPaths) this.#byPath.clear();
    this.#byPath.set(path, rules);
    return rules;
  }

  #adaptiveFor(path: string): AdaptivePlaces {
    const known = this.#adaptive.get(path);
    if (known !== undefined) return known;
    if (path.length > maxPathLength || !this.#hasRoom()) return this.#others;
    const created = new AdaptivePlaces(path, this.#clock.nowMs());
    this.#adaptive.set(path, created);
    return created;
  }

  /** What never succeeded has taught us nothing: methods that do not exist make room for those that do. */
  #hasRoom(): boolean {
    if (this.#adaptive.size < maxAdaptive) return true;
    for (const [path, { isUntaught, own }] of this.#adaptive) {
      if (!isUntaught || own.places.inFlight > 0 || own.places.pending > 0) continue;
      this.#adaptive.delete(path);
      this.#byPath.delete(path);
    }
    return this.#adaptive.size < maxAdaptive;
  }

  #ratesFor(limit: RateLimit | undefined): RateBuckets | undefined {
    return limit === undefined ? undefined : this.#rates.get(this.#rateNames.get(limit) ?? "");
  }

  /**
   * What one key covers shares its buckets: a method whose policy is its own for another reason has inherited the very
   * object that the wider key states. Wider keys first, so that they give the name.
   */
  #applyRates({ all, methods }: ServicePolicy): void {
    const nowMs = this.#clock.nowMs();
    const kept = new Map<string, RateBuckets>();
    const names = new Map<RateLimit, string>();
    for (const { method, policy } of [...methods, { method: "", policy: all }].reverse()) {
      const limit = policy.limit.inboundRate;
      if (limit === undefined || names.has(limit)) continue;
      names.set(limit, method);
      const buckets = this.#rates.get(method) ?? new RateBuckets(limit, nowMs);
      buckets.setLimit(limit, nowMs);
      kept.set(method, buckets);
    }
    this.#rates = kept;
    this.#rateNames = names;
  }
}
