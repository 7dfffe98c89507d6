// Sends a second try of a call when the first takes longer than most of its method's calls do; the first answer counts.
// Sits inside retry, for which both are one try, and outside balance, which finds the second another endpoint. Only
// idempotent unary methods that a mesh setting marks, and only when the whole request is here. Guarantees: a second try
// is paid for from the service's retry budget; the try that lost is cancelled at its endpoint at once and ends as
// `superseded`, which neither breaker nor balancer counts. (Finagle's BackupRequestFilter, gRFC A6)
//
// The delay is a percentile of what callers waited, a hedged call's time included: it is above the percentile exactly
// when the first try alone was, so that hedging does not lower the percentile that it goes by. State is per worker.

import type { Clock, Timer } from "../../common/clock.ts";
import { asFailure } from "../as-failure.ts";
import type { Outcome, Reply, RoutedCall } from "../call.ts";
import { type DecisionKind, noteDecision } from "../decision.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { failures, ProxyFailure } from "../failure.ts";
import { classify } from "../grpc/classify.ts";
import { Status } from "../grpc/status.ts";
import { ErrorCode } from "../http2/error-code.ts";
import { PendingReply } from "../pending-reply.ts";
import type { Layer, Service } from "../stack.ts";
import { HedgeRequest } from "./hedge-request.ts";
import { HeldReply } from "./held-reply.ts";
import { mayFit } from "./latency-windows.ts";
import type { RetryBudgets } from "./retry-budgets.ts";
import { isWorthRetry } from "./retry-decision.ts";
import type { TriedTraces } from "./tried-traces.ts";
import { TryCancel } from "./try-cancel.ts";

export interface HedgeDeps {
  readonly clock: Clock;
  readonly budgets: RetryBudgets;
  readonly traces: TriedTraces;
  /** Bytes of a request kept for the second try. */
  readonly maxReplayBytes: number;
}

export function hedge(deps: HedgeDeps): Layer<RoutedCall> {
  return (next) =>
    function hedge(routed) {
      const { percentile, minDelayMs } = routed.route.policy.hedge;
      if (percentile === 0 || !mayHedge(routed, deps.traces)) return next(routed);
      const nowMs = deps.clock.nowMs();
      const observedMs = routed.call.notes.latency?.percentileMs(percentile, nowMs);
      if (observedMs === undefined) return next(routed);
      const delayMs = Math.max(minDelayMs, observedMs);
      if (routed.deadlineAtMs - nowMs <= delayMs) return next(routed);
      return PendingReply.from(new HedgedTry(routed, next, deps).run(delayMs));
    };
}

/** A retry is a second try already; and where hops before us try again, their tries must not be multiplied. */
function mayHedge({ route, candidates, attempt, call }: RoutedCall, traces: TriedTraces): boolean {
  if (!route.isIdempotent || candidates.traits?.kind !== "unary" || attempt > 1) return false;
  return !traces.wasTriedBefore(call);
}

/** One of the two. */
interface Contender {
  readonly isHedge: boolean;
  readonly cancel: TryCancel;
  endpoint: Endpoint | undefined;
  isRunning: boolean;
}

class HedgedTry {
  readonly #routed: RoutedCall;
  readonly #next: Service<RoutedCall>;
  readonly #deps: HedgeDeps;
  readonly #request: HedgeRequest | undefined;
  readonly #contenders: Contender[] = [];
  #timer: Timer | undefined = undefined;
  #isDecided = false;
  #resolve: (reply: Reply) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(routed: RoutedCall, next: Service<RoutedCall>, deps: HedgeDeps) {
    this.#routed = routed;
    this.#next = next;
    this.#deps = deps;
    this.#request = routed.call.endsWithHead ? undefined : new HedgeRequest(routed.body, deps.maxReplayBytes);
  }

  run(delayMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#timer = this.#deps.clock.after(delayMs, () => this.#hedge(delayMs));
      const body = this.#request?.openLive() ?? this.#routed.body;
      void this.#try({ ...this.#routed, body }, false);
    });
  }

  #hedge(delayMs: number): void {
    const { call, tried } = this.#routed;
    const first = this.#contenders[0]?.endpoint;
    const nowMs = this.#deps.clock.nowMs();
    const reason = this.#whyNot(nowMs, first);
    if (reason !== undefined) {
      this.#request?.drop();
      this.#note("hedge_withheld", reason);
      return;
    }
    call.notes.hedges++;
    call.notes.attempts++;
    this.#note("hedge", `no answer from ${first?.id ?? "an endpoint"} within ${delayMs.toFixed(1)} ms`);
    const body = this.#request?.openWhole() ?? this.#routed.body;
    const others = first === undefined ? tried : [...tried, first];
    void this.#try({ ...this.#routed, body, tried: others, attempt: call.notes.attempts }, true);
  }

  /** Why no second try goes out; the budget is asked last, since asking spends of it. */
  #whyNot(nowMs: number, first: Endpoint | undefined): string | undefined {
    const { call, route, candidates, deadlineAtMs } = this.#routed;
    if (this.#request !== undefined && !this.#request.isWhole) return "the request is not here as a whole";
    const hasOther = candidates.targets.some(({ endpoints }) =>
      endpoints.some(({ id, health, weight }) => id !== first?.id && health !== "critical" && weight > 0),
    );
    if (!hasOther) return "there is no other endpoint";
    if (!mayFit(call, deadlineAtMs - nowMs, nowMs)) {
      return `${(deadlineAtMs - nowMs).toFixed(1)} ms are left, less than half of the method's calls take`;
    }
    return this.#deps.budgets.of(route, nowMs).tryWithdraw(nowMs) ? undefined : "the retry budget is spent";
  }

  async #try(routed: RoutedCall, isHedge: boolean): Promise<void> {
    const { call, route } = routed;
    const cancel = new TryCancel(routed.cancel);
    const contender: Contender = { isHedge, cancel, endpoint: undefined, isRunning: true };
    this.#contenders.push(contender);
    try {
      const coming = this.#next({ ...routed, cancel });
      // Balance has chosen before it returned.
      contender.endpoint = call.notes.endpoint;
      let reply = await coming;
      let verdict: Outcome | undefined;
      if (reply.endsWithHead) {
        reply.onEnd((outcome) => {
          verdict = outcome;
        });
      } else if (reply.fields[0]?.value === "200") {
        const held = new HeldReply(reply, route.policy.retry.hold, this.#deps.clock);
        await new Promise<void>((resolve) => held.whenReleased(resolve));
        verdict = held.verdict;
        reply = held;
      } else verdict = classify(reply.fields, { trailers: undefined, error: undefined }, call.isGrpc);
      if (!this.#decide(contender, verdict)) reply.body.cancel(ErrorCode.CANCEL);
      // A reply that was cancelled behind its header explains itself as one that never began.
      else if (verdict !== undefined && cancel.cancelled !== undefined) this.#reject(cancel.cancelled);
      else this.#resolve(reply);
    } catch (error) {
      const { status, kind } = asFailure(error, call);
      if (this.#decide(contender, { status, httpStatus: 0, failure: kind })) this.#reject(error);
    }
  }

  /** Whether the caller gets what this one brought; the other one is over then. */
  #decide(contender: Contender, verdict: Outcome | undefined): boolean {
    contender.isRunning = false;
    if (this.#isDecided) return false;
    const { call } = this.#routed;
    const isAnswer = verdict === undefined || !this.#mayBeBettered(verdict);
    const other = this.#contenders.find(({ isRunning }) => isRunning);
    if (!isAnswer && other !== undefined) {
      call.notes.alsoFailedAt = contender.endpoint;
      return false;
    }
    this.#isDecided = true;
    this.#timer?.cancel();
    this.#request?.drop();
    // Not the one that was chosen last, but the one whose answer it is.
    call.notes.endpoint = contender.endpoint;
    if (contender.isHedge && isAnswer) this.#note("hedge_won", `${contender.endpoint?.id ?? ""} answered first`);
    other?.cancel.cancel(new ProxyFailure("superseded", "", "another try of the call was answered first"));
    return true;
  }

  #mayBeBettered(outcome: Outcome): boolean {
    if (outcome.status === Status.OK) return false;
    if (outcome.failure !== undefined) return failures[outcome.failure].retry !== "never";
    return isWorthRetry(outcome, this.#routed.route.policy.retry);
  }

  #note(kind: DecisionKind, detail: string): void {
    noteDecision(this.#routed.call, kind, this.#deps.clock.nowMs(), detail);
  }
}
