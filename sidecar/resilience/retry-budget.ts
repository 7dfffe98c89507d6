// How many further tries one service may get: every call deposits, every retry and every hedge withdraws, so that a
// service that fails all calls gets a fifth more load and not three times as much. Made by RetryBudgets; used by retry
// and hedge. State is per worker process; times are brought by the caller, there are no timers, every step is O(1).
//
// Two accounts. The window: in any ten seconds at most `percent` of the calls of these ten seconds are tried again; it
// counts both in ten buckets of a second, so what was not used expires (Finagle's RetryBudget, but what a quiet spell
// saved up cannot be spent on top of what the outage itself deposits). No more than two seconds' share of it goes in
// one second, or an outage's first second would bring thrice the load. The reserve, for services with few calls: it
// fills by `floorPerSecond` less what calls deposit in the same time, up to `burst`; so the floor is a floor, and at
// load the amplification is 1 + percent / 100 and nothing on top.
//
// Where the service turns down more than half of what it gets, a retry is more likely to be turned down than not, and
// what that costs the service is missing for others: then the window pays nothing and only the reserve is left.
//
// Hot: `deposit` runs once per call; it makes no object.

import type { BudgetPolicy } from "../routing/policy/budget-policy.ts";

const bucketMs = 1_000;
const buckets = 10;
/** Too few to tell a service that is down from bad luck. */
const fewRefusals = 10;
/** Five times a fifth is one. */
const roundingError = 1e-6;

export class RetryBudget {
  #policy: BudgetPolicy;
  readonly #calls = new Uint32Array(buckets);
  /** Tries paid by these calls; a part of one where the reserve paid the rest. */
  readonly #tries = new Float64Array(buckets);
  /** Tries that the service itself turned down. */
  readonly #refusals = new Uint32Array(buckets);
  /** Sums over the buckets. */
  #windowCalls = 0;
  #windowTries = 0;
  /** The second that is being counted, and its bucket. */
  #second: number;
  #at = 0;
  /** Tries that the floor allows now. */
  #reserve: number;
  #reserveAtMs: number;
  /** Calls since `#reserveAtMs`. */
  #callsSince = 0;

  /** Begins with a full reserve. */
  constructor(policy: BudgetPolicy, nowMs: number) {
    this.#policy = policy;
    this.#reserve = policy.burst;
    this.#reserveAtMs = nowMs;
    this.#second = Math.floor(nowMs / bucketMs);
  }

  /** What is in force from now on; what is saved up stays, as far as the new policy allows. */
  set policy(policy: BudgetPolicy) {
    this.#policy = policy;
    this.#reserve = Math.min(this.#reserve, policy.burst);
  }

  /** A call, whatever becomes of it; `nowMs`: when it came. */
  deposit(nowMs: number): void {
    this.#advance(nowMs);
    this.#calls[this.#at]!++;
    this.#windowCalls++;
    this.#callsSince++;
  }

  /** Takes one further try; false when none is left. */
  tryWithdraw(nowMs: number): boolean {
    this.#advance(nowMs);
    if (!this.hasOne) return false;
    const paid = Math.min(1, this.#allowance);
    this.#tries[this.#at]! += paid;
    this.#windowTries += paid;
    this.#reserve = Math.max(0, this.#reserve - (1 - paid));
    return true;
  }

  /** A try was answered, with a failure that another try could better. What broke off says nothing here. */
  noteRefusal(nowMs: number): void {
    this.#advance(nowMs);
    this.#refusals[this.#at]!++;
  }

  /** A try could be withdrawn now, by what the last deposit or withdrawal knew; asks no clock. */
  get hasOne(): boolean {
    return this.#allowance + this.#reserve > 1 - roundingError;
  }

  /** When the last call or try was counted; long ago: nothing here is worth keeping. */
  get lastUsedMs(): number {
    return this.#second * bucketMs;
  }

  /** What the window pays. */
  get #allowance(): number {
    if (this.#isMostlyRefused) return 0;
    const { percent } = this.#policy;
    const inWindow = (this.#windowCalls * percent) / 100 - this.#windowTries;
    const inSecond = (2 * this.#callsPerSecond * percent) / 100 - this.#tries[this.#at]!;
    return Math.max(0, Math.min(inWindow, inSecond));
  }

  /** The window's mean, or what the last two seconds show where the window is young. */
  get #callsPerSecond(): number {
    const before = (this.#at + buckets - 1) % buckets;
    return Math.max(this.#windowCalls / buckets, this.#calls[this.#at]!, this.#calls[before]!);
  }

  /** In this second and the one before it: long enough to judge by, short enough to notice both ends of an outage. */
  get #isMostlyRefused(): boolean {
    const now = this.#at;
    const before = (now + buckets - 1) % buckets;
    const refusals = this.#refusals[now]! + this.#refusals[before]!;
    if (refusals < fewRefusals) return false;
    const tries = this.#calls[now]! + this.#calls[before]! + this.#tries[now]! + this.#tries[before]!;
    return refusals * 2 > tries;
  }

  /** When a second has passed: lets the buckets that are gone expire, and fills the reserve. */
  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / bucketMs);
    // Calls are counted by when they came, which may be a moment before the last retry.
    if (second <= this.#second) return;
    this.#refill(nowMs);
    const steps = Math.min(buckets, second - this.#second);
    for (let step = 0; step < steps; step++) {
      this.#at = (this.#at + 1) % buckets;
      this.#windowCalls -= this.#calls[this.#at]!;
      this.#windowTries -= this.#tries[this.#at]!;
      this.#calls[this.#at] = 0;
      this.#tries[this.#at] = 0;
      this.#refusals[this.#at] = 0;
    }
    this.#second = second;
  }

  #refill(nowMs: number): void {
    const { floorPerSecond, percent, burst } = this.#policy;
    const elapsedMs = nowMs - this.#reserveAtMs;
    const missing = (elapsedMs * floorPerSecond) / 1_000 - (this.#callsSince * percent) / 100;
    if (missing > 0) this.#reserve = Math.min(burst, this.#reserve + missing);
    this.#reserveAtMs = nowMs;
    this.#callsSince = 0;
  }
}
