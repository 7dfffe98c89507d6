// Puts faults in on purpose: a delay, then an abort, each for its share of the calls, once per call and never per try.
// Sits inside route, which knows what is wanted, and outside retry, so that no retry hides the fault, and outside every
// limit, so that a call that waits here takes no place of a real one. Off by default; each fault is a decision that is
// noted.
//
// What a call asks for itself (`x-ferry-fault-delay`, `x-ferry-fault-abort`) is read only where the policy allows it;
// outgoing-fields.ts takes both fields away at every hop, honoured or not. A gateway never gets to see them from the
// world: its edge strips them.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { Call, Reply, RoutedCall } from "../call.ts";
import { noteDecision } from "../decision.ts";
import { ProxyFailure } from "../failure.ts";
import { statusName } from "../grpc/status.ts";
import { fieldValue } from "../http2/header-field.ts";
import { PendingReply } from "../pending-reply.ts";
import type { FaultAbort, FaultDelay, FaultPolicy } from "../routing/policy/fault-policy.ts";
import type { ValueForm } from "../routing/policy/setting.ts";
import type { Layer, Service } from "../stack.ts";

export interface FaultDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** How a call writes what it asks for: as the mesh configuration does. */
  readonly forms: { readonly delay: ValueForm<FaultDelay>; readonly abort: ValueForm<FaultAbort> };
}

export function fault(deps: FaultDeps): Layer<RoutedCall> {
  return (next) =>
    function fault(routed) {
      const { delay, abort, fromHeaders } = routed.route.policy.fault;
      if (delay.percent === 0 && abort.percent === 0 && !fromHeaders) return next(routed);
      return PendingReply.from(disturb(routed, next, deps));
    };
}

async function disturb(routed: RoutedCall, next: Service<RoutedCall>, deps: FaultDeps): Promise<Reply> {
  const { clock, random } = deps;
  const { call, route } = routed;
  const { delay, abort } = wantedFor(call, route.policy.fault, deps.forms);
  const where = route.subset === "" ? route.service : `${route.service} subset ${route.subset}`;
  if (falls(delay.percent, random)) {
    noteDecision(call, "fault_delay", clock.nowMs(), `${delay.delayMs} ms before ${where}`);
    await pause(clock, delay.delayMs, call);
  }
  if (falls(abort.percent, random)) {
    const detail = `${statusName(abort.status)} put in on purpose, for ${abort.percent} % of calls`;
    noteDecision(call, "fault_abort", clock.nowMs(), detail);
    const failure = new ProxyFailure("fault_injected", where, detail);
    failure.status = abort.status;
    throw failure;
  }
  return next(routed);
}

/** The service's faults, each replaced by the one that the call asks for, if it may. */
function wantedFor(call: Call, policy: FaultPolicy, forms: FaultDeps["forms"]): Pick<FaultPolicy, "delay" | "abort"> {
  if (!policy.fromHeaders) return policy;
  return {
    delay: askedFor(call, "x-ferry-fault-delay", forms.delay) ?? policy.delay,
    abort: askedFor(call, "x-ferry-fault-abort", forms.abort) ?? policy.abort,
  };
}

/** A fault that cannot be read is told: a test that runs without its fault would prove nothing. */
function askedFor<V>(call: Call, name: string, form: ValueForm<V>): V | undefined {
  const text = fieldValue(call.fields, name);
  if (text === undefined) return undefined;
  const value = form.parse(text);
  if (value === undefined) throw new ProxyFailure("bad_request", "", `${name}: expected ${form.expected}`);
  return value;
}

function falls(percent: number, random: Random): boolean {
  return percent > 0 && random() * 100 < percent;
}

/** Ends with the call: at its deadline, or when its caller goes away. */
function pause(clock: Clock, delayMs: number, call: Call): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(delayMs, resolve);
    call.onCancel((failure) => {
      timer.cancel();
      reject(failure);
    });
  });
}
