// A request's body on its way to the real endpoint, copied as it passes. Made by mirror.ts. The real call's flow
// control goes straight through and the copy takes no credit, so a mirror can neither slow a caller down nor speed it
// up. The copy is whole or nothing: a body longer than the limit is not mirrored and what was kept of it is dropped.

import type { BodySink, BodySource } from "../http2/body.ts";
import type { ErrorCode, StreamError } from "../http2/error-code.ts";
import type { HeaderFields } from "../http2/header-field.ts";

/** Told once what became of the copy. */
export interface CopyEvents {
  /** The caller has sent all of it. Trailers of a request are not copied: gRPC has none. */
  whole(bytes: Buffer): void;
  /** `too_long`: more than is kept. `cut`: the call ended before the body did. */
  lost(reason: "too_long" | "cut"): void;
}

export class CopiedBody implements BodySource, BodySink {
  readonly #source: BodySource;
  readonly #maxBytes: number;
  readonly #events: CopyEvents;
  #sink: BodySink | undefined = undefined;
  #kept: Buffer[] | undefined = [];
  #keptBytes = 0;

  constructor(source: BodySource, maxBytes: number, events: CopyEvents) {
    this.#source = source;
    this.#maxBytes = maxBytes;
    this.#events = events;
  }

  /** The real call is over: no more will come. */
  stop(): void {
    this.#lose("cut");
  }

  attach(sink: BodySink): void {
    this.#sink = sink;
    this.#source.attach(this);
  }

  grant(bytes: number): void {
    this.#source.grant(bytes);
  }

  cancel(code: ErrorCode): void {
    this.#source.cancel(code);
  }

  data(chunk: Buffer, end: boolean): void {
    this.#keep(chunk);
    this.#sink?.data(chunk, end);
    if (end) this.#finish();
  }

  trailers(fields: HeaderFields): void {
    this.#sink?.trailers(fields);
    this.#finish();
  }

  abort(error: StreamError): void {
    this.#sink?.abort(error);
    this.#lose("cut");
  }

  #keep(chunk: Buffer): void {
    if (this.#kept === undefined || chunk.length === 0) return;
    this.#keptBytes += chunk.length;
    if (this.#keptBytes > this.#maxBytes) this.#lose("too_long");
    // The chunk is the source's again as soon as `data` returns.
    else this.#kept.push(Buffer.from(chunk));
  }

  #finish(): void {
    if (this.#kept === undefined) return;
    const bytes = Buffer.concat(this.#kept, this.#keptBytes);
    this.#kept = undefined;
    this.#events.whole(bytes);
  }

  #lose(reason: "too_long" | "cut"): void {
    if (this.#kept === undefined) return;
    this.#kept = undefined;
    this.#events.lost(reason);
  }
}
