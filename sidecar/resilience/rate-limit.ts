// Rate limits per source and method, as ferry_inbound_rate_limit of the service's own settings states them. Local: each
// worker of each sidecar of the service counts for itself, so that a call waits for nobody; n instances take n times as
// many. Sits before the limits on calls under way, so that what has no token takes no place.
//
// The source is the name that the caller's sidecar put into x-ferry-source. Until sidecars prove who they are with
// certificates it is a claim: it keeps honest services from crowding each other out, not an attacker.

import type { Clock } from "../../common/clock.ts";
import type { Call } from "../call.ts";
import { noteDecision } from "../decision.ts";
import { ProxyFailure } from "../failure.ts";
import { PendingReply } from "../pending-reply.ts";
import type { Rate, RateLimit } from "../routing/policy/rate-limit-form.ts";
import type { Layer } from "../stack.ts";
import { isHealthCheck } from "./limit-inbound.ts";
import { type Bucket, fullBucket, refill, waitForTokenMs } from "./token-bucket.ts";

/** Sources are named by callers: beyond so many they share one bucket. */
const maxSources = 256;
const sourceName = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** Why a call is refused. */
export interface Refused {
  /** Until it can come again, milliseconds. */
  readonly waitMs: number;
  readonly rate: Rate;
  /** Empty: all callers together, or one without a name. */
  readonly source: string;
}

/** The buckets of what one key covers. They outlive snapshots: a change of the rate gives nobody a full bucket. */
export class RateBuckets {
  #limit: RateLimit;
  #total: Bucket | undefined = undefined;
  /** Of those that share, and of those without a name. */
  #shared: Bucket | undefined = undefined;
  readonly #sources = new Map<string, Bucket>();
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor(limit: RateLimit, nowMs: number) {
    this.#limit = limit;
    this.setLimit(limit, nowMs);
  }

  setLimit(limit: RateLimit, nowMs: number): void {
    this.#limit = limit;
    this.#total = withRate(this.#total, limit.total, nowMs);
    this.#shared = withRate(this.#shared, limit.others, nowMs);
    for (const [source, bucket] of this.#sources) {
      const changed = withRate(bucket, this.#rateOf(source), nowMs);
      if (changed === undefined) this.#sources.delete(source);
      else this.#sources.set(source, changed);
    }
  }

  /** Takes a token of each bucket that counts for `source`, or says how long there is none and takes none. */
  take(source: string, nowMs: number): Refused | undefined {
    const total = this.#total;
    const own = this.#bucketOf(source, nowMs);
    for (const bucket of [total, own]) {
      if (bucket === undefined) continue;
      refill(bucket, nowMs);
      const waitMs = waitForTokenMs(bucket);
      if (waitMs > 0) return { waitMs, rate: bucket.rate, source: bucket === total ? "" : source };
    }
    if (total !== undefined) total.tokens--;
    if (own !== undefined) own.tokens--;
    return undefined;
  }

  #rateOf(source: string): Rate | undefined {
    const { bySource, others } = this.#limit;
    return Object.hasOwn(bySource, source) ? bySource[source] : others;
  }

  #bucketOf(source: string, nowMs: number): Bucket | undefined {
    const known = this.#sources.get(source);
    if (known !== undefined) return known;
    const rate = this.#rateOf(source);
    if (rate === undefined) return undefined;
    const isNamed = Object.hasOwn(this.#limit.bySource, source);
    if (!isNamed && (!sourceName.test(source) || !this.#hasRoom(nowMs))) return this.#shared;
    const bucket = fullBucket(rate, nowMs);
    this.#sources.set(source, bucket);
    return bucket;
  }

  /** A bucket that is full again is as good as none; looked for once a second at the most. */
  #hasRoom(nowMs: number): boolean {
    if (this.#sources.size < maxSources) return true;
    if (nowMs - this.#sweptAtMs < 1_000) return false;
    this.#sweptAtMs = nowMs;
    for (const [source, bucket] of this.#sources) {
      refill(bucket, nowMs);
      if (bucket.tokens >= bucket.rate.burst) this.#sources.delete(source);
    }
    return this.#sources.size < maxSources;
  }
}

function withRate(bucket: Bucket | undefined, rate: Rate | undefined, nowMs: number): Bucket | undefined {
  if (rate === undefined) return undefined;
  if (bucket === undefined) return fullBucket(rate, nowMs);
  refill(bucket, nowMs);
  return { ...bucket, rate, tokens: Math.min(bucket.tokens, rate.burst) };
}

/** `bucketsOf`: what counts for calls of a path; undefined: nothing does. */
export function rateLimit(bucketsOf: (path: string) => RateBuckets | undefined, clock: Clock): Layer<Call> {
  return (next) =>
    function rateLimit(call) {
      const buckets = bucketsOf(call.path);
      if (buckets === undefined || isHealthCheck(call.path)) return next(call);
      const refused = buckets.take(call.source, clock.nowMs());
      if (refused === undefined) return next(call);
      return PendingReply.withError(rateLimited(call, refused, clock.nowMs()));
    };
}

function rateLimited(call: Call, { waitMs, rate, source }: Refused, nowMs: number): ProxyFailure {
  const who = source === "" ? "callers together" : source;
  const detail = `${who} may call this sidecar ${rate.text} and did`;
  noteDecision(call, "rate_limited", nowMs, detail);
  const failure = new ProxyFailure("rate_limited", "", detail);
  // In eighths of the time that a token takes: thousands of refusals share a few prepared replies.
  const stepMs = Math.max(1, 1 / rate.perMs / 8);
  failure.pushbackMs = Math.ceil(Math.ceil(waitMs / stepMs) * stepMs);
  return failure;
}
