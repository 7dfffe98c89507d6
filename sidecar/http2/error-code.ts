// The error codes of RFC 9113 section 7 and the two ways in which HTTP/2 goes wrong. Inner code returns or throws
// these; only connection.ts turns them into RST_STREAM or GOAWAY.

export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

/** A code as it came from the wire: a peer may send one that the table does not have. */
export type ErrorCode = number;

/** The code's name, or its number for one that the RFC does not define. */
export function errorCodeName(code: ErrorCode): string {
  for (const [name, value] of Object.entries(ErrorCode)) if (value === code) return name;
  return `0x${code.toString(16)}`;
}

/** Ends the whole connection: GOAWAY(code) and close. */
export class ConnectionError extends Error {
  readonly code: ErrorCode;
  /** One word for metrics and for GOAWAY's debug text: a limit's name from limits.ts, else the code's own. */
  readonly reason: string;

  constructor(code: ErrorCode, detail: string, reason = errorCodeName(code).toLowerCase()) {
    super(`${errorCodeName(code)}: ${detail}`);
    this.name = "ConnectionError";
    this.code = code;
    this.reason = reason;
  }
}

/** Who ended a stream before its regular end. `connection`: it died with the connection it was on. */
export type Initiator = "us" | "peer" | "connection";

/** Ends one stream: why a message did not reach its regular end. */
export class StreamError extends Error {
  readonly code: ErrorCode;
  readonly initiator: Initiator;
  /**
   * True only when the peer's application provably never saw the request: not written to a socket, REFUSED_STREAM, or
   * above GOAWAY's last stream id (RFC 9113 section 8.7). Such a request may be sent again whatever its method.
   */
  readonly neverProcessed: boolean;

  constructor(code: ErrorCode, initiator: Initiator, detail: string, neverProcessed = false) {
    super(detail);
    this.name = "StreamError";
    this.code = code;
    this.initiator = initiator;
    this.neverProcessed = neverProcessed;
  }
}
