// A token bucket without a timer: it is filled when somebody asks. Used by rate-limit.ts.
//
// Hot: a call that is limited costs a subtraction, a multiplication and a compare.

import type { Rate } from "../routing/policy/rate-limit-form.ts";

export interface Bucket {
  rate: Rate;
  /** As of `atMs`; calls take one each. */
  tokens: number;
  atMs: number;
}

export function fullBucket(rate: Rate, nowMs: number): Bucket {
  return { rate, tokens: rate.burst, atMs: nowMs };
}

/** Adds what has come since it was last asked. */
export function refill(bucket: Bucket, nowMs: number): void {
  const { burst, perMs } = bucket.rate;
  bucket.tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.atMs) * perMs);
  bucket.atMs = nowMs;
}

/** Milliseconds until there is a token; 0: there is one. Right after a refill. */
export function waitForTokenMs({ tokens, rate }: Bucket): number {
  return tokens >= 1 ? 0 : (1 - tokens) / rate.perMs;
}
