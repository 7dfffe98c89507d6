// The states of a stream that has begun (RFC 9113 section 5.1) and what moves it. Pure. "Reserved" does not occur:
// nobody pushes. "Idle" has no object: connection.ts knows it by the highest identifier seen.
//
//        HEADERS
//   idle ------> open ---- END_STREAM sent ----> half-closed (local) ---- END_STREAM received --+
//                  |                                                                             v
//                  +---- END_STREAM received --> half-closed (remote) -- END_STREAM sent -----> closed
//   RST_STREAM in either direction: closed

export const StreamState = {
  OPEN: 0,
  /** We have sent END_STREAM. */
  HALF_CLOSED_LOCAL: 1,
  /** The peer has sent END_STREAM. */
  HALF_CLOSED_REMOTE: 2,
  CLOSED: 3,
} as const;

export type StreamState = (typeof StreamState)[keyof typeof StreamState];

/** After END_STREAM went out. */
export function afterEndSent(state: StreamState): StreamState {
  return state === StreamState.OPEN ? StreamState.HALF_CLOSED_LOCAL : StreamState.CLOSED;
}

/** After END_STREAM came in. */
export function afterEndReceived(state: StreamState): StreamState {
  return state === StreamState.OPEN ? StreamState.HALF_CLOSED_REMOTE : StreamState.CLOSED;
}

/** We may send HEADERS and DATA. */
export function maySend(state: StreamState): boolean {
  return state === StreamState.OPEN || state === StreamState.HALF_CLOSED_REMOTE;
}

/** The peer may send HEADERS and DATA. */
export function mayReceive(state: StreamState): boolean {
  return state === StreamState.OPEN || state === StreamState.HALF_CLOSED_LOCAL;
}
