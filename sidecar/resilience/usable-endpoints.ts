// Which of a call's candidates may be called now: one target, and who of it is out. Asked by balance before it picks.
// Says when a failover target is used, and when there are so few endpoints left that ejected ones are used as well
// (panic): never those that the registry calls critical, which are no candidates, and only when no other target has an
// endpoint that is let through.
//
// Hot: `of` runs for every try. With nobody out anywhere it is one look into a WeakMap; else one more by method. The
// answer is worked out anew, over all candidates, only when an admission changes or an ejection ends.

import type { RoutedCall } from "../call.ts";
import type { Endpoint } from "../discovery/registry.ts";
import type { Candidates } from "../routing/route-table.ts";
import type { EndpointState, EndpointStates } from "./endpoint-states.ts";
import { mayTry } from "./failure-accrual.ts";

export interface Usable {
  /** The place of the target to be used among the candidates' targets; -1: none has an endpoint. */
  readonly target: number;
  /** Those of its endpoints that must not be called; undefined: all may. */
  readonly out: ReadonlySet<EndpointState> | undefined;
  /** One whose time out is over and that should get the next first try, as its probe. */
  readonly due: Endpoint | undefined;
  /** Set when ejected endpoints are among those that may be called: how few others there are. */
  readonly panic: string | undefined;
}

interface Answers {
  readonly healthy: Usable;
  /** By the method's path, empty for methods that no descriptor knows. */
  readonly byMethod: Map<string, Answer>;
}

interface Answer {
  readonly usable: Usable;
  readonly version: number;
  /** When an endpoint that is out may be probed. */
  readonly untilMs: number;
}

/** Answers are kept for as many methods of a target. */
const maxAnswers = 256;

export class UsableEndpoints {
  readonly #states: EndpointStates;
  readonly #byTargets = new WeakMap<Candidates["targets"], Answers>();

  constructor(states: EndpointStates) {
    this.#states = states;
  }

  /** The same object for as long as nothing changes. */
  of(routed: RoutedCall, nowMs: number): Usable {
    const { targets, traits } = routed.candidates;
    let answers = this.#byTargets.get(targets);
    if (answers === undefined) {
      answers = { healthy: allOf(targets), byMethod: new Map() };
      this.#byTargets.set(targets, answers);
    }
    if (!this.#states.isAnyOut) return answers.healthy;
    const method = traits === undefined ? "" : routed.call.path;
    const known = answers.byMethod.get(method);
    if (known !== undefined && known.version === this.#states.version && nowMs < known.untilMs) return known.usable;
    const { usable, untilMs } = this.#workOut(routed, nowMs);
    if (answers.byMethod.size >= maxAnswers) answers.byMethod.clear();
    const answer = { usable: usable ?? answers.healthy, version: this.#states.version, untilMs };
    answers.byMethod.set(method, answer);
    return answer.usable;
  }

  /** `usable` undefined: as if nobody were out. */
  #workOut(routed: RoutedCall, nowMs: number): { readonly usable: Usable | undefined; readonly untilMs: number } {
    const { targets } = routed.candidates;
    const readings = targets.map((_, target) => this.#read(routed, target, nowMs));
    const untilMs = Math.min(...readings.map((reading) => reading.nextMs));
    const first = readings.findIndex((reading) => reading.size > 0);
    if (first === -1) return { usable: undefined, untilMs };
    const preferred = readings.findIndex((reading) => reading.out.size < reading.size);
    const target = preferred === -1 ? first : preferred;
    const { size, out, due, registered } = readings[target]!;
    if (target === first && out.size === 0 && due === undefined) return { usable: undefined, untilMs };
    const left = size - out.size;
    const { panicPercent } = routed.route.policy.ejection;
    const isShort = left === 0 || left * 100 < registered * panicPercent;
    const hasElsewhere = readings.some((reading, index) => index !== target && reading.out.size < reading.size);
    if (out.size > 0 && isShort && !hasElsewhere) {
      const panic = `${left} of ${registered} registered endpoints of ${targets[target]!.id} are left`;
      return { usable: { target, out: undefined, due, panic }, untilMs };
    }
    return { usable: { target, out: out.size === 0 ? undefined : out, due, panic: undefined }, untilMs };
  }

  #read({ call, candidates }: RoutedCall, target: number, nowMs: number) {
    const { endpoints, registered } = candidates.targets[target]!;
    const out = new Set<EndpointState>();
    let due: Endpoint | undefined;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const endpoint of endpoints) {
      const state = this.#states.of(endpoint);
      const isKnown = candidates.traits !== undefined;
      if (!state.isOut(call.path, isKnown)) continue;
      const whole = state.whole.accrual;
      const own = state.ofMethod(call.path, isKnown).accrual;
      if (mayTry(whole, nowMs) && mayTry(own, nowMs)) {
        due ??= endpoint;
      } else {
        out.add(state);
        const wholeMs = whole.state === "admitted" ? 0 : whole.untilMs;
        const ownMs = own.state === "admitted" ? 0 : own.untilMs;
        nextMs = Math.min(nextMs, Math.max(wholeMs, ownMs));
      }
    }
    return { size: endpoints.length, registered, out, due, nextMs };
  }
}

function allOf(targets: Candidates["targets"]): Usable {
  const target = targets.findIndex(({ endpoints }) => endpoints.length > 0);
  return { target, out: undefined, due: undefined, panic: undefined };
}
