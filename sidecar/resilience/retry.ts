// Tries a call again on another endpoint when that can help and cannot hurt. Sits inside route, so that a retry stays
// on its canary side, and outside balance, so that every try picks afresh. Guarantees: nothing is sent again after a
// header or a message went to the caller, nor when a part of the request is gone (decisions in retry-decision.ts);
// retries that may have run are paid for from the service's budget. State of the budgets is per worker process.
//
// Hot: runs once per call; a call that is answered at its first try makes no facts, no timer and no text.

import type { Clock, Timer } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import { asFailure, whereOf } from "../as-failure.ts";
import type { Call, Outcome, Reply, RoutedCall } from "../call.ts";
import { noteDecision } from "../decision.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { ProxyFailure } from "../failure.ts";
import { classify } from "../grpc/classify.ts";
import { Status, statusName } from "../grpc/status.ts";
import { ErrorCode } from "../http2/error-code.ts";
import { HeaderField } from "../http2/header-field.ts";
import { PendingReply, type ReplyWaiter } from "../pending-reply.ts";
import { withFields } from "../reply-fields.ts";
import type { RetryPolicy } from "../routing/policy/retry-policy.ts";
import type { Layer, Service } from "../stack.ts";
import { HeldReply, type Hold } from "./held-reply.ts";
import { mayFit } from "./latency-windows.ts";
import { ReplayBuffer } from "./replay-buffer.ts";
import type { RetryBudget } from "./retry-budget.ts";
import type { RetryBudgets } from "./retry-budgets.ts";
import { decideRetry, isWorthRetry } from "./retry-decision.ts";
import { waitBeforeRetry } from "./retry-schedule.ts";
import type { TriedTraces } from "./tried-traces.ts";
import { TryCancel } from "./try-cancel.ts";

export interface RetryDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly budgets: RetryBudgets;
  readonly traces: TriedTraces;
  /** Bytes of a request kept for another try. */
  readonly maxReplayBytes: number;
  /** Told before each further try: how the one before ended. */
  onRetry(routed: RoutedCall, outcome: Outcome): void;
}

export function retry(deps: RetryDeps): Layer<RoutedCall> {
  return (next) =>
    function retry(routed) {
      const budget = deps.budgets.of(routed.route, routed.call.receivedAtMs);
      budget.deposit(routed.call.receivedAtMs);
      const retried = new RetriedCall(routed, next, deps, budget);
      retried.begin();
      return retried.pending;
    };
}

class RetriedCall implements ReplyWaiter {
  readonly pending = new PendingReply();
  readonly #first: RoutedCall;
  readonly #next: Service<RoutedCall>;
  readonly #deps: RetryDeps;
  readonly #budget: RetryBudget;
  readonly #replay: ReplayBuffer | undefined;
  /** By endpoint, in order; undefined while none has failed. */
  #tried: Endpoint[] | undefined = undefined;
  #retriesMade = 0;
  /** Retries since the start, or since the upstream named a time itself. */
  #backoffs = 0;
  #refusals = 0;
  /** Tries at endpoints that had been tried before. */
  #repeats = 0;
  /** The one that is under way. */
  #try: RoutedCall | undefined = undefined;
  #tryTimer: Timer | undefined = undefined;

  constructor(routed: RoutedCall, next: Service<RoutedCall>, deps: RetryDeps, budget: RetryBudget) {
    this.#first = routed;
    this.#next = next;
    this.#deps = deps;
    this.#budget = budget;
    this.#replay = routed.call.endsWithHead ? undefined : new ReplayBuffer(routed.body, deps.maxReplayBytes);
  }

  /** Makes the first try, or a further one. */
  begin(): void {
    // Hedges have counted as well.
    const attempt = ++this.#first.call.notes.attempts;
    this.#try = this.#tryOf(attempt);
    try {
      this.#next(this.#try).tell(this);
    } catch (error) {
      this.failed(error);
    }
  }

  failed(error: unknown): void {
    this.#over(undefined, outcomeOf(asFailure(error, this.#first.call)), error);
  }

  replied(reply: Reply): void {
    const hold = this.#holdFor(reply);
    if (hold === undefined) {
      this.#over(reply, verdictAtHead(reply, this.#first.call), undefined);
      return;
    }
    const held = new HeldReply(reply, hold, this.#deps.clock);
    held.whenReleased(() => this.#over(held, held.verdict, undefined));
  }

  /** A try is over, or has begun to answer the caller: `verdict` says what may be made good by another one. */
  #over(reply: Reply | undefined, verdict: Outcome | undefined, error: unknown): void {
    this.#tryTimer?.cancel();
    const waitMs = verdict === undefined ? undefined : this.#waitBeforeNext(verdict);
    if (verdict === undefined || waitMs === undefined) {
      this.#end(reply, verdict, error);
      return;
    }
    const { call } = this.#first;
    reply?.body.cancel(ErrorCode.CANCEL);
    this.#deps.onRetry(this.#try ?? this.#first, verdict);
    this.#note("retry", `after ${wordOf(verdict)}, in ${Math.round(waitMs)} ms`);
    whenOver(this.#deps.clock, waitMs, call, () => {
      if (call.cancelled !== undefined) this.pending.failed(call.cancelled);
      else this.begin();
    });
  }

  /** No further try: the caller gets what there is. */
  #end(reply: Reply | undefined, verdict: Outcome | undefined, error: unknown): void {
    this.#replay?.commit();
    const cancelled = verdict === undefined ? undefined : this.#try?.cancel?.cancelled;
    if (reply === undefined) this.pending.failed(error);
    // A reply that was cancelled behind its header explains itself as one that never began.
    else if (cancelled !== undefined) this.pending.failed(cancelled);
    else this.pending.replied(withAttempts(reply, this.#first.call.notes.attempts));
  }

  #tryOf(attempt: number): RoutedCall {
    const first = this.#first;
    if (attempt === 1 && this.#replay === undefined && this.#tryTimeoutMs === 0) return first;
    return {
      call: first.call,
      route: first.route,
      candidates: first.candidates,
      deadlineAtMs: first.deadlineAtMs,
      body: this.#replay?.open() ?? first.body,
      attempt,
      tried: this.#tried ?? first.tried,
      cancel: this.#tryTimeoutMs === 0 ? first.cancel : this.#startTry(this.#tryTimeoutMs),
    };
  }

  /** A stream lasts as long as it lasts, and what must not be sent twice is not given up on. */
  get #tryTimeoutMs(): number {
    const { route, candidates } = this.#first;
    const isStream = candidates.traits !== undefined && candidates.traits.kind !== "unary";
    return route.isIdempotent && !isStream ? route.policy.retry.tryTimeoutMs : 0;
  }

  /**
   * Giving up on a try serves only to make another one. The last one runs until the deadline, if there is one: in a
   * slow spell that uses up the budget, nothing better would come.
   */
  get #mayFollow(): boolean {
    const { call, route, deadlineAtMs } = this.#first;
    if (deadlineAtMs === Number.POSITIVE_INFINITY) return true;
    const isLast = this.#deps.traces.wasTriedBefore(call) || this.#retriesMade >= route.policy.retry.retries;
    return !isLast && (this.#replay?.isWhole ?? true) && this.#budget.hasOne;
  }

  #startTry(timeoutMs: number): TryCancel {
    const { call, cancel } = this.#first;
    const own = new TryCancel(cancel);
    this.#tryTimer = this.#deps.clock.after(timeoutMs, () => {
      if (!this.#mayFollow) return;
      own.cancel(
        new ProxyFailure("try_timeout", whereOf(call), `no reply within ${timeoutMs} ms, the time of one try`),
      );
    });
    return own;
  }

  /** Only a reply that another try could replace is held, and never that of a stream. */
  #holdFor(reply: Reply): Hold | undefined {
    if (reply.endsWithHead || reply.fields[0]?.value !== "200") return undefined;
    const { route, call, candidates } = this.#first;
    const { traits } = candidates;
    const { retry } = route.policy;
    const isOneToRetry =
      route.isIdempotent &&
      (traits === undefined || traits.kind === "unary") &&
      retry.retries > 0 &&
      call.isGrpc &&
      call.previousAttempts === 0 &&
      (this.#replay === undefined || (this.#replay.isWhole && this.#replay.hasEnded));
    if (!isOneToRetry) return undefined;
    if (this.#retriesMade >= retry.retries || !this.#budget.hasOne) {
      reply.onEnd((outcome) => this.#endUnheld(outcome));
      return undefined;
    }
    return traits === undefined ? "probation" : retry.hold;
  }

  /** A reply ended that would have been held if there had been a retry left for it. */
  #endUnheld(outcome: Outcome): void {
    const { retry } = this.#first.route.policy;
    if (outcome.failure !== undefined || !isWorthRetry(outcome, retry)) return;
    const nowMs = this.#deps.clock.nowMs();
    this.#budget.noteRefusal(nowMs);
    if (this.#retriesMade < retry.retries) this.#note("retry_budget_spent", `after ${wordOf(outcome)}`);
    this.#giveUp(nowMs);
  }

  /** Milliseconds until the next try, which is paid for then; undefined: there is none. */
  #waitBeforeNext(outcome: Outcome): number | undefined {
    if (outcome.status === Status.OK) return undefined;
    const { call, route, deadlineAtMs } = this.#first;
    if (call.cancelled !== undefined) return undefined;
    const hasFresh = this.#rememberTry(outcome);
    const decision = decideRetry({
      outcome,
      policy: route.policy.retry,
      retriesMade: this.#retriesMade,
      refusals: this.#refusals,
      hasFresh,
      repeats: this.#repeats,
      isIdempotent: route.isIdempotent,
      wasTriedBefore: this.#deps.traces.wasTriedBefore(call),
      isReplayable: this.#replay?.isWhole ?? true,
    });
    const nowMs = this.#deps.clock.nowMs();
    if (isTurnedDown(outcome, route.policy.retry)) this.#budget.noteRefusal(nowMs);
    if (decision === "no") return isFull(outcome) ? this.#giveUp(nowMs) : undefined;
    const leftMs = deadlineAtMs - nowMs;
    if (decision === "at_once") return leftMs > 0 ? 0 : undefined;
    if (decision === "used_up") return this.#giveUp(nowMs);
    if (decision === "pushed_back") {
      this.#note("retry_pushed_back", `after ${wordOf(outcome)}`);
      return this.#giveUp(nowMs);
    }
    const pushbackMs = decision === "retry" ? outcome.pushbackMs : undefined;
    this.#backoffs = pushbackMs === undefined ? this.#backoffs + 1 : 0;
    const waitMs = pushbackMs ?? waitBeforeRetry(route.policy.retry, this.#backoffs, this.#deps.random());
    if (waitMs >= leftMs || !mayFit(call, leftMs - waitMs, nowMs)) {
      this.#note("retry_too_late", `${Math.round(waitMs)} ms to wait, ${Math.round(leftMs)} ms left`);
      return decision === "retry" ? this.#giveUp(nowMs) : undefined;
    }
    if (decision === "retry") {
      if (!this.#budget.tryWithdraw(nowMs)) {
        this.#note("retry_budget_spent", `after ${wordOf(outcome)}`);
        return this.#giveUp(nowMs);
      }
      this.#retriesMade++;
    }
    return waitMs;
  }

  /** This hop has done what it could: the hop before need not do the same again. */
  #giveUp(nowMs: number): undefined {
    this.#deps.traces.noteGivenUp(this.#first.call.trace.traceId, nowMs);
    return undefined;
  }

  /** Whether an endpoint is left that no try went to. */
  #rememberTry({ failure }: Outcome): boolean {
    if (failure === "refused") this.#refusals++;
    const { endpoint, alsoFailedAt } = this.#first.call.notes;
    if (endpoint === undefined) return false;
    this.#tried ??= [];
    if (alsoFailedAt !== undefined && !this.#tried.includes(alsoFailedAt)) this.#tried.push(alsoFailedAt);
    // Balance takes one that was not tried where it may: that it did not says that there is none.
    const isRepeat = this.#tried.some((tried) => tried.id === endpoint.id);
    if (isRepeat) this.#repeats++;
    else this.#tried.push(endpoint);
    return !isRepeat && this.#hasUntried(this.#tried);
  }

  #hasUntried(tried: readonly Endpoint[]): boolean {
    for (const target of this.#first.candidates.targets) {
      for (const { id, health, weight } of target.endpoints) {
        if (health !== "critical" && weight > 0 && !tried.some((other) => other.id === id)) return true;
      }
    }
    return false;
  }

  #note(kind: "retry" | "retry_pushed_back" | "retry_too_late" | "retry_budget_spent", detail: string): void {
    noteDecision(this.#first.call, kind, this.#deps.clock.nowMs(), detail);
  }
}

function outcomeOf({ status, kind, pushbackMs }: ProxyFailure): Outcome {
  const outcome = { status, httpStatus: 0, failure: kind };
  return pushbackMs === undefined ? outcome : { ...outcome, pushbackMs };
}

/** The verdict of a reply that has no message to wait for: it ended with its header, or is no gRPC answer at all. */
function verdictAtHead(reply: Reply, call: Call): Outcome | undefined {
  if (!reply.endsWithHead) {
    if (reply.fields[0]?.value === "200") return undefined;
    return classify(reply.fields, { trailers: undefined, error: undefined }, call.isGrpc);
  }
  let verdict: Outcome | undefined;
  reply.onEnd((outcome) => {
    verdict = outcome;
  });
  return verdict;
}

/** Calls `then` after the wait, at once when there is none, early when nobody wants the call any more. */
function whenOver(clock: Clock, waitMs: number, call: Call, then: () => void): void {
  if (waitMs <= 0) {
    then();
    return;
  }
  let isWaiting = true;
  const end = () => {
    if (!isWaiting) return;
    isWaiting = false;
    timer.cancel();
    then();
  };
  // Holds the process: a caller waits for this.
  const timer = clock.after(waitMs, end, true);
  call.onCancel(end);
}

/** What the caller is told of it when it took more than one. */
function withAttempts(reply: Reply, attempts: number): Reply {
  if (attempts <= 1) return reply;
  return withFields(reply, [...reply.fields, new HeaderField("x-ferry-attempts", String(attempts))]);
}

/** The service itself answered so, or not in time: what breaks off says something of one instance. */
function isTurnedDown(outcome: Outcome, policy: RetryPolicy): boolean {
  if (outcome.failure === undefined) return isWorthRetry(outcome, policy);
  return outcome.failure === "try_timeout" || isFull(outcome);
}

/** The service has more than it can take: another hop's retry would add to that. */
function isFull({ failure }: Outcome): boolean {
  return failure === "overloaded" || failure === "rate_limited" || failure === "upstream_overloaded";
}

function wordOf({ status, failure }: Outcome): string {
  return failure ?? statusName(status);
}
