// The outermost layer: watches a call from its first moment to its last and tells the recorders (metrics, span, access
// log) once, at the end, what the caller saw. Sits outside rescue, so that a failure is recorded as the reply it
// became.

import type { Clock } from "../../common/clock.ts";
import type { Call, Outcome, Reply } from "../call.ts";
import type { ReplyWaiter } from "../pending-reply.ts";
import type { Layer } from "../stack.ts";

/** A call that has ended, for recorders. */
export interface EndedCall {
  readonly direction: "inbound" | "outbound";
  readonly call: Call;
  readonly outcome: Outcome;
  readonly durationMs: number;
}

export type Recorder = (ended: EndedCall) => void;

export function record(direction: EndedCall["direction"], recorders: readonly Recorder[], clock: Clock): Layer<Call> {
  function ended(call: Call, outcome: Outcome): void {
    const durationMs = clock.nowMs() - call.receivedAtMs;
    for (const recorder of recorders) recorder({ direction, call, outcome, durationMs });
  }

  return (next) =>
    function record(call) {
      const pending = next(call);
      pending.tell(new RecordedCall(call, ended));
      return pending;
    };
}

class RecordedCall implements ReplyWaiter {
  readonly #call: Call;
  readonly #ended: (call: Call, outcome: Outcome) => void;

  constructor(call: Call, ended: (call: Call, outcome: Outcome) => void) {
    this.#call = call;
    this.#ended = ended;
  }

  replied(reply: Reply): void {
    reply.onEnd((outcome) => this.#ended(this.#call, outcome));
  }

  /** Never behind `rescue`. */
  failed(): void {}
}
