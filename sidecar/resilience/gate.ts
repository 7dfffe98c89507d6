// Stands before one endpoint: counts the calls that are under way there and feeds each outcome to the endpoint's
// failure accrual. Sits inside balance, because only here the endpoint is known, and sees every try by itself.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import { asFailure } from "../as-failure.ts";
import type { EndpointCall, Outcome } from "../call.ts";
import type { Layer } from "../stack.ts";
import type { EndpointState, EndpointStates } from "./endpoint-states.ts";
import { afterSend, afterVerdict, verdictOf } from "./failure-accrual.ts";

export interface GateDeps {
  readonly states: EndpointStates;
  readonly clock: Clock;
  readonly random: Random;
  /** Told when an endpoint changes between admitted, ejected and probing. */
  onAdmissionChange(target: EndpointCall, state: EndpointState): void;
}

export function gate(deps: GateDeps): Layer<EndpointCall> {
  const { states, clock, random } = deps;

  function record(target: EndpointCall, state: EndpointState, outcome: Outcome): void {
    state.active--;
    const before = state.accrual;
    state.accrual = afterVerdict(before, verdictOf(outcome), target.routed.route.policy.ejection, {
      nowMs: clock.nowMs(),
      random: random(),
    });
    if (before.state !== state.accrual.state) deps.onAdmissionChange(target, state);
  }

  return (next) =>
    async function gate(target) {
      const state = states.of(target.endpoint);
      const before = state.accrual;
      state.accrual = afterSend(before, clock.nowMs());
      if (before.state !== state.accrual.state) deps.onAdmissionChange(target, state);
      state.active++;
      try {
        const reply = await next(target);
        reply.onEnd((outcome) => record(target, state, outcome));
        return reply;
      } catch (error) {
        const failure = asFailure(error, target.routed.call);
        record(target, state, { status: failure.status, httpStatus: 0, failure: failure.kind });
        throw error;
      }
    };
}
