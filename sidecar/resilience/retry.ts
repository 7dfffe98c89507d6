// Tries a call again on another endpoint when that can help and cannot hurt. Sits inside route, so that a retry stays
// on its canary side, and outside balance, so that every try picks afresh. Guarantees: nothing is sent again after a
// header or a message went to the caller, nor when a part of the request is gone (decisions in retry-decision.ts).

import { type Clock, wait } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import { asFailure } from "../as-failure.ts";
import type { Outcome, Reply, RoutedCall } from "../call.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { ErrorCode } from "../http2/error-code.ts";
import type { Layer, Service } from "../stack.ts";
import { holdReply } from "./held-reply.ts";
import { ReplayBuffer } from "./replay-buffer.ts";
import { mayRetry } from "./retry-decision.ts";

export interface RetryDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Bytes of a request kept for another try. */
  readonly maxReplayBytes: number;
  /** Told before each further try: how the one before ended. */
  onRetry(routed: RoutedCall, outcome: Outcome): void;
}

/** The first wait when no other endpoint is left; doubles, with full jitter. */
const backoffBaseMs = 25;
const backoffMaxMs = 250;

export function retry(deps: RetryDeps): Layer<RoutedCall> {
  return (next) =>
    function retry(routed) {
      return new RetriedCall(routed, next, deps).run();
    };
}

class RetriedCall {
  readonly #first: RoutedCall;
  readonly #next: Service<RoutedCall>;
  readonly #deps: RetryDeps;
  readonly #replay: ReplayBuffer | undefined;
  readonly #tried: Endpoint[] = [];
  #refusals = 0;

  constructor(routed: RoutedCall, next: Service<RoutedCall>, deps: RetryDeps) {
    this.#first = routed;
    this.#next = next;
    this.#deps = deps;
    this.#replay = routed.call.endsWithHead ? undefined : new ReplayBuffer(routed.body, deps.maxReplayBytes);
  }

  async run(): Promise<Reply> {
    const { call } = this.#first;
    for (let attempt = 1; ; attempt++) {
      call.notes.attempts = attempt;
      const body = this.#replay?.open() ?? this.#first.body;
      const routed: RoutedCall = { ...this.#first, body, attempt, tried: this.#tried };
      let outcome: Outcome;
      try {
        const { reply, verdict } = await this.#try(routed);
        if (verdict === undefined || !this.#mayRetry(attempt, verdict)) {
          this.#replay?.commit();
          return reply;
        }
        reply.body.cancel(ErrorCode.CANCEL);
        outcome = verdict;
      } catch (error) {
        const failure = asFailure(error, call);
        outcome = { status: failure.status, httpStatus: 0, failure: failure.kind };
        if (!this.#mayRetry(attempt, outcome)) throw error;
      }
      this.#deps.onRetry(routed, outcome);
      await this.#backOff(attempt);
    }
  }

  /** A try's reply, with its verdict when that is known before anything must go to the caller. */
  async #try(routed: RoutedCall): Promise<{ readonly reply: Reply; readonly verdict: Outcome | undefined }> {
    const reply = await this.#next(routed);
    if (reply.endsWithHead) {
      let verdict: Outcome | undefined;
      reply.onEnd((outcome) => {
        verdict = outcome;
      });
      return { reply, verdict };
    }
    return this.#isWorthHolding(routed) ? holdReply(reply, this.#deps.clock) : { reply, verdict: undefined };
  }

  /** Only a reply that another try could replace is held, and only of a method that answers with one message. */
  #isWorthHolding(routed: RoutedCall): boolean {
    const { route, call, candidates } = this.#first;
    const traits = candidates.traits;
    return (
      traits?.kind === "unary" &&
      route.isIdempotent &&
      call.isGrpc &&
      call.previousAttempts === 0 &&
      routed.attempt <= route.policy.retry.retries &&
      (this.#replay === undefined || (this.#replay.isWhole && this.#replay.hasEnded))
    );
  }

  #mayRetry(attempts: number, outcome: Outcome): boolean {
    const { call, route } = this.#first;
    const endpoint = call.notes.endpoint;
    if (endpoint !== undefined) this.#tried.push(endpoint);
    if (outcome.failure === "refused") this.#refusals++;
    return (
      call.cancelled === undefined &&
      mayRetry({
        status: outcome.status,
        failure: outcome.failure,
        attempts,
        refusals: this.#refusals,
        untried: this.#untried,
        retries: route.policy.retry.retries,
        isIdempotent: route.isIdempotent,
        previousAttempts: call.previousAttempts,
        isReplayable: this.#replay?.isWhole ?? true,
        leftMs: this.#first.deadlineAtMs - this.#deps.clock.nowMs(),
      })
    );
  }

  get #untried(): number {
    const known = this.#first.candidates.targets.flatMap((target) => target.endpoints);
    return known.filter((endpoint) => !this.#tried.some((tried) => tried.id === endpoint.id)).length;
  }

  /** At once when another endpoint is left to try; otherwise the same one gets a moment. */
  async #backOff(attempt: number): Promise<void> {
    if (this.#untried > 0) return;
    const cap = Math.min(backoffMaxMs, backoffBaseMs * 2 ** attempt);
    await wait(this.#deps.clock, this.#deps.random() * cap);
  }
}
