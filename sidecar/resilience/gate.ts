// Stands before one endpoint: counts the calls that are under way there and feeds each outcome to the endpoint's
// admissions: the method's own, and that of the endpoint as a whole (ejection-verdict.ts says what concerns which).
// Sits inside balance, because only here the endpoint is known, and sees every try by itself.
//
// An ejected endpoint keeps its connections: nothing here closes any, and a probe finds them open. What is judged are
// calls that were let through: an answer to one that began before the last change of state, or that was sent although
// the endpoint was out (panic), changes nothing.
//
// Hot: runs once per try.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import { asFailure } from "../as-failure.ts";
import type { EndpointCall, Outcome, Reply } from "../call.ts";
import { type DecisionKind, noteDecision } from "../decision.ts";
import { Status } from "../grpc/status.ts";
import type { ReplyWaiter } from "../pending-reply.ts";
import type { Layer } from "../stack.ts";
import type { Admission } from "./admission.ts";
import { isCapped, isWorse, type PoolReading, readPool, withoutOthers } from "./ejection-pool.ts";
import { endpointVerdict, methodVerdict, type Verdict } from "./ejection-verdict.ts";
import type { EndpointState, EndpointStates } from "./endpoint-states.ts";
import {
  type Accrual,
  afterEjection,
  afterSend,
  afterVerdict,
  type EjectionReason,
  ejectionReason,
} from "./failure-accrual.ts";

/** An endpoint went from one state to another, as a whole or for one method. */
export interface AdmissionChange {
  /** A path; empty: all methods; `other`: those that no descriptor knows. */
  readonly method: string;
  readonly state: Accrual["state"];
  /** Why it was ejected; undefined for the other states. */
  readonly reason: EjectionReason | undefined;
}

export interface GateDeps {
  readonly states: EndpointStates;
  readonly clock: Clock;
  readonly random: Random;
  /** Told when an endpoint changes between admitted, ejected and probing. */
  onAdmissionChange(target: EndpointCall, change: AdmissionChange): void;
}

/** Where a try goes through, and when. */
interface Passage {
  readonly state: EndpointState;
  readonly own: Admission;
  /** The version of all admissions when it was sent; `uncounted` when it was not let through. */
  readonly version: number;
  readonly beganMs: number;
}

const uncounted = -1;

/** A try under way. */
class Begun implements ReplyWaiter {
  readonly target: EndpointCall;
  readonly state: EndpointState;
  readonly own: Admission;
  readonly version: number;
  readonly beganMs: number;
  readonly #turnstile: Turnstile;

  constructor(turnstile: Turnstile, target: EndpointCall, { state, own, version, beganMs }: Passage) {
    this.#turnstile = turnstile;
    this.target = target;
    this.state = state;
    this.own = own;
    this.version = version;
    this.beganMs = beganMs;
  }

  replied(reply: Reply): void {
    this.#turnstile.replied(this, reply);
    reply.onEnd((outcome) => this.#turnstile.leave(this, outcome));
  }

  failed(error: unknown): void {
    const { status, kind, pushbackMs } = asFailure(error, this.target.routed.call);
    this.#turnstile.leave(this, { status, httpStatus: 0, failure: kind, pushbackMs });
  }
}

export function gate(deps: GateDeps): Layer<EndpointCall> {
  const turnstile = new Turnstile(deps);
  return (next) =>
    function gate(target) {
      const begun = turnstile.enter(target);
      const pending = next(target);
      pending.tell(begun);
      return pending;
    };
}

class Turnstile {
  readonly #deps: GateDeps;
  // Asking the clock costs more than all the rest: once for each of the three events of a try.
  #nowMs = 0;

  constructor(deps: GateDeps) {
    this.#deps = deps;
  }

  enter(target: EndpointCall): Begun {
    const { states } = this.#deps;
    const { routed, chosenAtMs: beganMs } = target;
    this.#nowMs = beganMs;
    const state = states.of(target.endpoint);
    const own = state.ofMethod(routed.call.path, routed.candidates.traits !== undefined);
    state.active++;
    if (!states.isAnyOut) return new Begun(this, target, { state, own, version: states.version, beganMs });
    const isLetIn = this.#mayEnter(state.whole) && this.#mayEnter(own);
    if (isLetIn) {
      this.#probe(target, state, state.whole);
      this.#probe(target, state, own);
    }
    return new Begun(this, target, { state, own, version: isLetIn ? states.version : uncounted, beganMs });
  }

  /** A header is all the proof there may be for long: of life, and for a stream that its method is served. */
  replied(begun: Begun, reply: Reply): void {
    const { state, own, target, beganMs } = begun;
    const nowMs = this.#deps.clock.nowMs();
    this.#nowMs = nowMs;
    state.load.replied(nowMs - beganMs, nowMs);
    if (state.whole.accrual.state === "probing") this.#judge(begun, state.whole, "success");
    if (own.accrual.state === "probing" && !reply.endsWithHead && target.routed.candidates.traits?.kind !== "unary") {
      this.#judge(begun, own, "success");
    }
  }

  leave(begun: Begun, outcome: Outcome): void {
    const { state, own, beganMs } = begun;
    const nowMs = this.#deps.clock.nowMs();
    this.#nowMs = nowMs;
    state.active--;
    if (outcome.status === Status.OK) state.load.wentWell(own.method);
    else {
      state.load.ended(outcome, { method: own.method, elapsedMs: nowMs - beganMs, nowMs });
    }
    if (begun.version === uncounted) return;
    this.#judge(begun, state.whole, endpointVerdict(outcome));
    this.#judge(begun, own, methodVerdict(outcome));
  }

  #mayEnter({ accrual }: Admission): boolean {
    return accrual.state === "admitted" || this.#nowMs >= accrual.untilMs;
  }

  #probe(target: EndpointCall, state: EndpointState, admission: Admission): void {
    const before = admission.accrual;
    const after = afterSend(before, this.#nowMs);
    if (after === before) return;
    this.#deps.states.move(state, admission, after);
    this.#note(target, "probe", `${target.endpoint.id} ${nameOf(admission)}`);
    if (before.state !== after.state) this.#changed(target, admission, undefined);
  }

  #judge(begun: Begun, admission: Admission, verdict: Verdict): void {
    const before = admission.accrual;
    if (before.state === "ejected" || begun.version < admission.since) return;
    const { target, state } = begun;
    const policy = target.routed.route.policy.ejection;
    const nowMs = this.#nowMs;
    if (verdict !== "neutral" && verdict !== "silence") {
      admission.rate.record(verdict !== "success", nowMs, policy.windowMs);
    }
    if (verdict === "success" && before.state === "admitted" && before.failures === 0) return;
    const reason = ejectionReason(before, verdict, policy, admission.rate);
    if (reason !== undefined && this.#eject(begun, admission, reason)) return;
    const after = afterVerdict(before, verdict, nowMs);
    if (after === before) return;
    this.#deps.states.move(state, admission, after);
    if (after.state === "admitted" && before.state !== "admitted") {
      state.load.pardon(admission.method);
      if (admission.method === "") state.load.startSlowly(nowMs);
    }
    if (before.state !== after.state) this.#changed(target, admission, undefined);
  }

  /** False when the rest of the pool says otherwise. */
  #eject({ target, state }: Begun, admission: Admission, reason: EjectionReason): boolean {
    const { random, states } = this.#deps;
    const { endpoint, routed } = target;
    const policy = routed.route.policy.ejection;
    const nowMs = this.#nowMs;
    const before = admission.accrual;
    // A failed probe takes nobody out who was not out before.
    if (before.state === "admitted") {
      const pool = readPool(target, states, { admission, nowMs });
      const failing = { inARow: reason === "consecutive" ? before.failures + 1 : 0, rate: admission.rate };
      if (!isWorse(failing, pool, policy)) {
        // Else the row is only not yet long enough.
        const isSpared = isWorse(failing, withoutOthers(pool), policy);
        if (isSpared) this.#note(target, "eject_spared", `${endpoint.id} ${nameOf(admission)}: ${othersOf(pool)}`);
        return false;
      }
      if (isCapped(pool, policy.maxEjectedPercent)) {
        this.#note(target, "eject_capped", `${endpoint.id} ${nameOf(admission)}: ${outOf(pool)}`);
        return false;
      }
    }
    const after = afterEjection(before, policy, { nowMs, random: random() });
    states.move(state, admission, after);
    const lengthMs = Math.round(after.untilMs - nowMs);
    const why = wordsOf(reason, before, admission);
    this.#note(target, "ejected", `${endpoint.id} ${nameOf(admission)} for ${lengthMs} ms: ${why}`);
    this.#changed(target, admission, reason);
    return true;
  }

  #note({ routed }: EndpointCall, kind: DecisionKind, detail: string): void {
    noteDecision(routed.call, kind, this.#nowMs, detail);
  }

  #changed(target: EndpointCall, { method, accrual }: Admission, reason: EjectionReason | undefined): void {
    this.#deps.onAdmissionChange(target, { method, state: accrual.state, reason });
  }
}

function nameOf({ method }: Admission): string {
  return method === "" ? "all methods" : method;
}

function wordsOf(reason: EjectionReason, before: Accrual, { rate }: Admission): string {
  if (reason === "probe" || before.state !== "admitted") return "its probe failed";
  return reason === "consecutive"
    ? `${before.failures + 1} failures in a row`
    : `${rate.failures} of ${rate.calls} calls failed`;
}

function othersOf({ othersLately: { calls, failures } }: PoolReading): string {
  return `${failures} of ${calls} calls failed lately at the others`;
}

function outOf({ size, out }: PoolReading): string {
  return `${out} of ${size} endpoints out already`;
}
