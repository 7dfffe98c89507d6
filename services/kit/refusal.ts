// Refusals: what a service answers when it understood the call and will not do it. Decisions and handlers return them
// as values; refusal-status.ts is the one place where they become gRPC statuses, so no domain file knows a status
// number. Anything thrown is a bug instead and is handled by run-handler.ts.

export type RefusalKind =
  /** The request breaks a rule that needs no state to see. */
  | "invalid"
  /** What the request names does not exist. */
  | "not-found"
  /** What the request would make exists already, and was made by something else. */
  | "already-exists"
  /** The state does not allow it; the same request is refused until somebody changes the state. */
  | "failed-precondition"
  /** Others changed the same thing at the same time, again and again; the whole request may be repeated. */
  | "conflict"
  /** Something that the service needs is away; the same request may succeed in a moment. */
  | "unavailable";

/** One rule that one field breaks. */
export interface Violation {
  /** As `views[0].quote_id`. */
  readonly field: string;
  /** As `must be at least 1 characters`. */
  readonly description: string;
  /** The rule as google.rpc writes reasons: `STRING_MIN_LEN`. */
  readonly reason: string;
}

export interface Refusal {
  readonly refused: RefusalKind;
  /** For people: what, where, numbers. Never a payload. */
  readonly message: string;
  readonly violations: readonly Violation[];
}

export function refuse(refused: RefusalKind, message: string): Refusal {
  return { refused, message, violations: [] };
}

/** The refusal of a request for what its fields hold; the message names every field and its rule. */
export function refuseFields(violations: readonly Violation[]): Refusal {
  const message = violations.map(({ field, description }) => `${field}: ${description}`).join("; ");
  return { refused: "invalid", message, violations };
}

/** True for a refusal, false for an answer, be it a message or a row of a read model. */
export function isRefusal<A extends object>(answer: A | Refusal): answer is Refusal {
  return "refused" in answer && !("$typeName" in answer);
}
