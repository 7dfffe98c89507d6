// Holds a reply's header back until the first message or the end. gRPC's verdict is in the trailers, so a server that
// sends its header first and UNAVAILABLE after it can only be retried if nobody has seen the header yet. The body is
// never held: the first message releases everything.

import type { Outcome, Reply } from "../call.ts";
import type { BodySink, BodySource } from "../http2/body.ts";
import type { ErrorCode, StreamError } from "../http2/error-code.ts";
import type { HeaderFields } from "../http2/header-field.ts";

/** Resolves at the first message with `undefined`, or at the end of a reply without one with its outcome. */
export function holdReply(reply: Reply): Promise<{ readonly reply: Reply; readonly verdict: Outcome | undefined }> {
  return new Promise((resolve) => {
    const held = new HeldBody(reply.body);
    let hasMessage = false;
    held.whenFirst = () => {
      hasMessage = true;
      resolve({ reply: { ...pick(reply), body: held }, verdict: undefined });
    };
    // Order matters: all of a short reply may be here already, and a message that came before the end must be seen
    // first.
    held.listen();
    reply.onEnd((outcome) => {
      if (!hasMessage) resolve({ reply: { ...pick(reply), body: held }, verdict: outcome });
    });
  });
}

function pick(reply: Reply): Omit<Reply, "body"> {
  return { fields: reply.fields, endsWithHead: false, onEnd: (listener) => reply.onEnd(listener) };
}

class HeldBody implements BodySource, BodySink {
  readonly #source: BodySource;
  #early: Buffer[] = [];
  #hasEnded = false;
  #trailers: HeaderFields | undefined = undefined;
  #error: StreamError | undefined = undefined;
  #sink: BodySink | undefined = undefined;
  whenFirst: (() => void) | undefined = undefined;

  constructor(source: BodySource) {
    this.#source = source;
  }

  listen(): void {
    this.#source.attach(this);
  }

  attach(sink: BodySink): void {
    const isPlainEnd = this.#hasEnded && this.#trailers === undefined && this.#error === undefined;
    const last = this.#early.length - 1;
    for (let i = 0; i <= last; i++) sink.data(this.#early[i]!, isPlainEnd && i === last);
    if (isPlainEnd && last < 0) sink.data(Buffer.alloc(0), true);
    this.#early = [];
    this.#sink = sink;
    if (this.#trailers !== undefined) sink.trailers(this.#trailers);
    else if (this.#error !== undefined) sink.abort(this.#error);
  }

  grant(bytes: number): void {
    this.#source.grant(bytes);
  }

  cancel(code: ErrorCode): void {
    this.#source.cancel(code);
  }

  data(chunk: Buffer, end: boolean): void {
    this.#hasEnded ||= end;
    if (this.#sink !== undefined) {
      this.#sink.data(chunk, end);
      return;
    }
    if (chunk.length > 0) this.#early.push(Buffer.from(chunk));
    if (chunk.length > 0) this.#first();
  }

  trailers(fields: HeaderFields): void {
    this.#hasEnded = true;
    this.#trailers = fields;
    this.#sink?.trailers(fields);
  }

  abort(error: StreamError): void {
    this.#error = error;
    this.#sink?.abort(error);
  }

  #first(): void {
    this.whenFirst?.();
    this.whenFirst = undefined;
  }
}
