// Blocking queries by the book, as a pure decision: what came back, and so what is asked next, when, and whether the
// content counts. watched-query.ts does the asking. The rules: Consul's documentation of blocking queries, and traps
// that were seen with a real agent:
//
//   - the status comes before the index: some errors carry an index of 1
//   - after any error the next request has no index: a server that lost its state would hold a higher one for the whole
//     wait instead of answering
//   - an index that went back, and one of 0, start anew
//   - a return is no proof of a change: contents are compared
//   - an empty list from a blocked query may mean "not allowed to see it": only a plain read tells, and until it has
//     said so the set that was there stays
//   - right after an outage a set that lacks somebody may only mean that he has not come back yet: it counts when it
//     lasts

/** What is remembered between two requests. */
export interface QueryState {
  /** Index or content hash of the last good reply; undefined: the next request is a plain one. */
  readonly marker: string | undefined;
  /** Of the content in force; undefined: none yet. */
  readonly fingerprint: string | undefined;
  readonly isEmpty: boolean;
  /** Errors in a row. */
  readonly failures: number;
  readonly recoveredAtMs: number;
  readonly tokens: number;
  readonly tokensAtMs: number;
}

export type QueryResponse =
  | { readonly kind: "unreachable" }
  | {
      readonly kind: "reply";
      readonly status: number;
      readonly marker: string | undefined;
      readonly fingerprint: string;
      /** The body is an empty list. */
      readonly isEmpty: boolean;
      readonly isFiltered: boolean;
      /** Somebody who could be dialed by the content in force cannot by this one. */
      readonly isLoss: boolean;
    };

export interface QueryDecision {
  readonly state: QueryState;
  /** How long to wait before the next request. */
  readonly delayMs: number;
  /** accept: put it in force; same: nothing new; prove, hold: ask again before it counts; failed: nothing usable. */
  readonly verdict: "accept" | "same" | "prove" | "hold" | "failed";
}

export interface QueryMoment {
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
}

/**
 * Requests that may follow each other at once, and how often one more may. Consul's advice for clients in general is
 * one poll in 15 s under churn; callers of a mesh would dial instances that left for that long, so we take twice a
 * second, and only what a watch really needs wakes it.
 */
const burst = 10;
const refillMs = 500;
const backoffBaseMs = 100;
/** Also the bound on how late the server's return is noticed. */
const backoffMaxMs = 5_000;
/** For "you may not" and "too many connections": nothing that a quick retry mends. */
const patientMs = 5_000;
const holdPollMs = 500;
/** Longer than it takes a sidecar to register again after an outage. */
const holdMs = 10_000;
/** Where a good reply names no index: poll. */
const pollMs = 5_000;

export function initialQueryState(nowMs: number): QueryState {
  return {
    ...{ marker: undefined, fingerprint: undefined, isEmpty: false, failures: 0 },
    ...{ recoveredAtMs: Number.NEGATIVE_INFINITY, tokens: burst, tokensAtMs: nowMs },
  };
}

export function nextRequest(before: QueryState, response: QueryResponse, moment: QueryMoment): QueryDecision {
  const { nowMs } = moment;
  // A missing entry is a value: one can wait for it to be written.
  if (response.kind === "unreachable" || (response.status !== 200 && response.status !== 404)) {
    return failed(before, response, moment);
  }
  const refilled = Math.min(burst, before.tokens + (nowMs - before.tokensAtMs) / refillMs);
  const isShort = refilled < 1;
  const spent = {
    ...before,
    failures: 0,
    tokens: isShort ? 0 : refilled - 1,
    tokensAtMs: isShort ? nowMs + (1 - refilled) * refillMs : nowMs,
    recoveredAtMs: before.failures > 0 ? nowMs : before.recoveredAtMs,
  };
  const delayMs = isShort ? (1 - refilled) * refillMs : 0;
  const hadSome = before.fingerprint !== undefined && !before.isEmpty;
  const wasPlain = before.marker === undefined;
  if (response.isEmpty && wasPlain && response.isFiltered) return failed(before, { ...response, status: 403 }, moment);
  if (response.isEmpty && hadSome && !wasPlain) {
    return { state: { ...spent, marker: undefined }, delayMs, verdict: "prove" };
  }
  if (response.isLoss && nowMs - spent.recoveredAtMs < holdMs) {
    return { state: { ...spent, marker: undefined }, delayMs: Math.max(delayMs, holdPollMs), verdict: "hold" };
  }
  const marker = nextMarker(before.marker, response.marker);
  const state = { ...spent, marker, fingerprint: response.fingerprint, isEmpty: response.isEmpty };
  const isSame = response.fingerprint === before.fingerprint;
  return {
    state,
    delayMs: response.marker === undefined ? Math.max(delayMs, pollMs) : delayMs,
    verdict: isSame ? "same" : "accept",
  };
}

/** Undefined starts anew. Hashes are only compared for equality, by the server. */
function nextMarker(before: string | undefined, now: string | undefined): string | undefined {
  if (now === undefined || !/^\d+$/.test(now)) return now;
  const index = Number(now);
  // 0 would make the next request an unblocked one, and the loop a busy one.
  if (index < 1) return "1";
  return before !== undefined && /^\d+$/.test(before) && index < Number(before) ? undefined : now;
}

function failed(before: QueryState, response: QueryResponse, { random }: QueryMoment): QueryDecision {
  const failures = before.failures + 1;
  const isPatient = response.kind === "reply" && (response.status === 403 || response.status === 429);
  const ceiling = isPatient ? patientMs : Math.min(backoffMaxMs, backoffBaseMs * 2 ** Math.min(failures - 1, 10));
  return {
    state: { ...before, marker: undefined, failures },
    delayMs: ceiling * (0.5 + random / 2),
    verdict: "failed",
  };
}
