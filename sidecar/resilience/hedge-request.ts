// A request's body for two tries at once: the first reader gets it as it comes; once it has ended, and all of it is
// kept, a further reader gets the whole. Beside ReplayBuffer, which serves one try after the other. Made by hedge for
// each call that may be hedged; what is kept is bounded.

import type { BodySink, BodySource } from "../http2/body.ts";
import type { ErrorCode, StreamError } from "../http2/error-code.ts";
import type { HeaderFields } from "../http2/header-field.ts";

export class HedgeRequest implements BodySink {
  readonly #source: BodySource;
  readonly #maxBytes: number;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #isKept = true;
  #hasEnded = false;
  #first: BodySink | undefined = undefined;
  // Credit goes back to the caller once for each byte, however many readers send it.
  #grantedBytes = 0;

  constructor(source: BodySource, maxBytes: number) {
    this.#source = source;
    this.#maxBytes = maxBytes;
  }

  /** The caller has sent all, and all of it is here. */
  get isWhole(): boolean {
    return this.#hasEnded && this.#isKept;
  }

  /** For the first try: the body as it comes. Once. */
  openLive(): BodySource {
    return this.#reader({
      attach: (sink) => {
        this.#first = sink;
        this.#source.attach(this);
      },
      cancel: (code) => {
        this.#first = undefined;
        if (!this.#hasEnded) this.#source.cancel(code);
      },
    });
  }

  /** For a further try, only while `isWhole`: everything at once. */
  openWhole(): BodySource {
    return this.#reader({
      attach: (sink) => {
        const last = this.#kept.length - 1;
        for (let i = 0; i <= last; i++) sink.data(this.#kept[i]!, i === last);
        if (last < 0) sink.data(noBytes, true);
      },
      cancel: () => {},
    });
  }

  /** No further try will be made: what is kept is dropped. */
  drop(): void {
    this.#isKept = false;
    this.#kept = [];
  }

  data(chunk: Buffer, end: boolean): void {
    if (end) this.#hasEnded = true;
    this.#keptBytes += chunk.length;
    if (this.#keptBytes > this.#maxBytes) this.drop();
    else if (this.#isKept && chunk.length > 0) this.#kept.push(Buffer.from(chunk));
    this.#first?.data(chunk, end);
  }

  /** No gRPC request has them: such a request is sent once. */
  trailers(fields: HeaderFields): void {
    this.#hasEnded = true;
    this.drop();
    this.#first?.trailers(fields);
  }

  abort(error: StreamError): void {
    this.drop();
    this.#first?.abort(error);
  }

  #reader(reader: Pick<BodySource, "attach"> & { cancel(code: ErrorCode): void }): BodySource {
    let sentBytes = 0;
    return {
      ...reader,
      grant: (bytes) => {
        sentBytes += bytes;
        if (sentBytes <= this.#grantedBytes) return;
        this.#source.grant(sentBytes - this.#grantedBytes);
        this.#grantedBytes = sentBytes;
      },
    };
  }
}

const noBytes = Buffer.alloc(0);
