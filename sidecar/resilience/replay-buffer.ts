// Keeps the beginning of a request's body so that another try can send it again: whole, or not at all. Sits between
// the call's body and the tries; each try gets a source of its own that first replays, then goes on live. Only the
// newest try is fed; an older one that still pulls or cancels is ignored.

import type { BodySink, BodySource } from "../http2/body.ts";
import type { ErrorCode, StreamError } from "../http2/error-code.ts";
import type { HeaderFields } from "../http2/header-field.ts";
import { SendQueue } from "../http2/send-queue.ts";

export class ReplayBuffer implements BodySink {
  readonly #source: BodySource;
  readonly #maxBytes: number;
  readonly #kept = new SendQueue();
  #isWhole = true;
  #isAttached = false;
  #hasEnded = false;
  #trailers: HeaderFields | undefined = undefined;
  #error: StreamError | undefined = undefined;
  #current: Try | undefined = undefined;
  // Credit must go back to the caller once for each byte, however often the byte is sent.
  #grantedBytes = 0;

  constructor(source: BodySource, maxBytes: number) {
    this.#source = source;
    this.#maxBytes = maxBytes;
  }

  /** All that came so far is still here, so another try may be made. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** The caller has sent all. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The body for one more try. Only while `isWhole`. */
  open(): BodySource {
    this.#current = new Try(this);
    return this.#current;
  }

  /** No further try will be made: what is kept is dropped, what comes goes straight through. */
  commit(): void {
    this.#isWhole = false;
    this.#kept.clear();
  }

  data(chunk: Buffer, end: boolean): void {
    if (end) this.#hasEnded = true;
    if (this.#isWhole && this.#kept.length + chunk.length <= this.#maxBytes) {
      this.#kept.append(chunk);
    } else if (chunk.length > 0 || !end) {
      this.commit();
    }
    this.#current?.sink?.data(chunk, end);
  }

  trailers(fields: HeaderFields): void {
    this.#hasEnded = true;
    this.#trailers = fields;
    this.#current?.sink?.trailers(fields);
  }

  abort(error: StreamError): void {
    this.#error = error;
    this.#current?.sink?.abort(error);
  }

  /** For Try: replays into `sink`, then lets the live body follow. */
  start(from: Try, sink: BodySink): void {
    if (from !== this.#current) return;
    if (!this.#isAttached) {
      this.#isAttached = true;
      from.sink = sink;
      this.#source.attach(this);
      return;
    }
    const isPlainEnd = this.#hasEnded && this.#trailers === undefined;
    // Copies: a sink that is fed may end the call, and what is kept goes with it.
    const kept = this.#kept.pieces().map((piece) => Buffer.from(piece));
    const last = kept.length - 1;
    for (let i = 0; i <= last; i++) sink.data(kept[i]!, isPlainEnd && i === last);
    if (isPlainEnd && last < 0) sink.data(noBytes, true);
    from.sink = sink;
    if (this.#trailers !== undefined) sink.trailers(this.#trailers);
    else if (this.#error !== undefined) sink.abort(this.#error);
  }

  /** For Try: it has sent `bytes` in all. */
  granted(from: Try, totalBytes: number): void {
    if (from !== this.#current || totalBytes <= this.#grantedBytes) return;
    const fresh = totalBytes - this.#grantedBytes;
    this.#grantedBytes = totalBytes;
    this.#source.grant(fresh);
  }

  /** For Try: it broke off. What the caller sends until the next try is kept, or lost for good. */
  detach(from: Try): void {
    if (from === this.#current) this.#current = undefined;
  }
}

const noBytes = Buffer.alloc(0);

class Try implements BodySource {
  readonly #buffer: ReplayBuffer;
  #sentBytes = 0;
  sink: BodySink | undefined = undefined;

  constructor(buffer: ReplayBuffer) {
    this.#buffer = buffer;
  }

  attach(sink: BodySink): void {
    this.#buffer.start(this, sink);
  }

  grant(bytes: number): void {
    this.#sentBytes += bytes;
    this.#buffer.granted(this, this.#sentBytes);
  }

  cancel(_code: ErrorCode): void {
    this.#buffer.detach(this);
  }
}
