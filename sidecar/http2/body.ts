// Message bodies are pushed with credit: no promise and no iterator per chunk. A source pushes into the one sink that
// is attached to it; the sink grants back what it has got rid of, and at an HTTP/2 stream a grant *is* a
// WINDOW_UPDATE, so back-pressure is HTTP/2's own from end to end.
//
// A stream of ours is a source on its receiving side and a sink on its sending side; a proxied call is two `attach`.

import type { ErrorCode, StreamError } from "./error-code.ts";
import type { HeaderFields } from "./header-field.ts";

export interface BodySink {
  /**
   * Part of the body, possibly empty. `chunk` belongs to the source and is valid only until this returns: a sink that
   * keeps bytes copies them. `end`: the message ends here, without trailers.
   */
  data(chunk: Buffer, end: boolean): void;
  /** The message ends with these. */
  trailers(fields: HeaderFields): void;
  /** The message breaks off; nothing follows. */
  abort(error: StreamError): void;
}

export interface BodySource {
  /** Once. What arrived before is pushed before this returns, in order. */
  attach(sink: BodySink): void;
  /** The sink has got rid of `bytes` of what it was given; the sender may send as many more. */
  grant(bytes: number): void;
  /** The sink wants no more: the sender is told by RST_STREAM(code). After the end it does nothing. */
  cancel(code: ErrorCode): void;
}

/** A body that is there already; for bytes that are smaller than any window, since it takes no credit. */
export function wholeBody(bytes: Buffer): BodySource {
  return { attach: (sink) => sink.data(bytes, true), grant() {}, cancel() {} };
}

/** The body of a message whose HEADERS carried END_STREAM. */
export const emptyBody: BodySource = wholeBody(Buffer.alloc(0));
