// The closed table of what Ferry decides about a call on its way, beyond where it goes: what an operator wants to see
// afterwards. Layers call `noteDecision`; the recorders read the notes at the call's end, so that every decision is a
// metric (`ferry_decisions_total`), an event of the call's span and a word in its access log line. A new kind does not
// compile until it has a sentence; docs/reference/decisions.md is generated from this table.

import type { Call } from "./call.ts";

export const decisions = {
  retry: "A try failed and another one was made.",
  retry_budget_spent:
    "A try failed and another one could have been made, but the service's retry budget was spent: the answer is the caller's.",
  retry_pushed_back: "A try failed and its upstream asked not to try again (`grpc-retry-pushback-ms`).",
  retry_too_late: "A try failed and the wait before another one would have outlasted the deadline.",
  queued: "No place was free for the call, so it waited for one.",
  shed: "No place was free for the call, and none to wait in: it was refused.",
  rate_limited: "The caller had used up its rate, so the call was refused.",
  fault_delay: "A test wanted the call to wait before it went on (`ferry_fault_delay`).",
  fault_abort: "A test wanted the call to fail (`ferry_fault_abort`).",
  ejected: "The call's failure took an endpoint out of rotation, for all methods or for this one.",
  eject_capped:
    "The call's failure would have taken an endpoint out of rotation, but too many of its pool are out already.",
  eject_spared:
    "The call's failure would have taken an endpoint out of rotation, but the others of its pool fail as well.",
  probe: "The call tried an endpoint whose time out of rotation was over.",
  panic: "Too few endpoints were left, so that ejected ones were used as well.",
  would_refuse_early: "The call had less time left than half of its method's calls take, and was sent all the same.",
  early_refusal_withheld:
    "The call would have been refused for its short time, but one in five of the method's calls had been.",
  mirror: "The call was chosen to be sent to a second target as well, as a copy (`ferry_mirror`).",
  hedge: "The first try took longer than most, so a second one was sent to another endpoint (`ferry_hedge`).",
  hedge_won: "The second try's answer was the first to come.",
  hedge_withheld: "The first try took longer than most, but no second one could be sent.",
} as const satisfies Record<string, string>;

export type DecisionKind = keyof typeof decisions;

export interface Decision {
  readonly kind: DecisionKind;
  /** By the sidecar's monotonic clock, milliseconds. */
  readonly atMs: number;
  /** What it was decided on, with numbers; never a secret, never a payload. */
  readonly detail: string;
}

/** A call has few: what one caller can make us remember is bounded. */
export const maxDecisions = 32;

export function noteDecision(call: Call, kind: DecisionKind, atMs: number, detail: string): void {
  call.notes.decisions ??= [];
  if (call.notes.decisions.length < maxDecisions) call.notes.decisions.push({ kind, atMs, detail });
}
