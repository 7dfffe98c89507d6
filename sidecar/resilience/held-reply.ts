// Holds the reply of a unary call back until it can no longer be replaced by that of another try. gRPC's verdict is in
// the trailers: a server that sends its header first and UNAVAILABLE after it can only be retried if nobody has seen
// the header, and an instance that dies between its message and its trailers only if nobody has seen the message. A
// caller of a unary method can use neither before the trailers, so the hold costs it nothing; it is bounded in bytes
// and time.

import type { Clock, Timer } from "../../common/clock.ts";
import type { Outcome, Reply } from "../call.ts";
import type { BodySink, BodySource } from "../http2/body.ts";
import type { ErrorCode, StreamError } from "../http2/error-code.ts";
import type { HeaderFields } from "../http2/header-field.ts";

/** What is held of a message; a longer reply goes out at once. */
export const maxHeldBytes = 65_536;
/** How long a message waits for its trailers; a slower end is the caller's to wait for. */
export const maxHeldMs = 50;

/**
 * Resolves with the outcome of a reply that another try may replace: one that ended without a message, or that a Ferry
 * had to end. The verdict is undefined for one that is the caller's now: the application answered, or it is too long or
 * too slow to hold.
 */
export function holdReply(reply: Reply, clock: Clock): Promise<{ reply: Reply; verdict: Outcome | undefined }> {
  return new Promise((resolve) => {
    let timer: Timer | undefined;
    const held = new HeldBody(reply.body, {
      message: () => {
        timer = clock.after(maxHeldMs, () => release(undefined));
      },
      tooLong: () => release(undefined),
    });
    const { fields } = reply;
    const release = (verdict: Outcome | undefined) => {
      timer?.cancel();
      resolve({
        reply: { fields, endsWithHead: false, body: held, onEnd: (listener) => reply.onEnd(listener) },
        verdict,
      });
    };
    // Order matters: all of a short reply may be here already, and a message that came before the end must be seen
    // first.
    held.listen();
    reply.onEnd((outcome) => release(held.hasMessage && outcome.failure === undefined ? undefined : outcome));
  });
}

interface HoldEvents {
  /** The first octets of a message have come. */
  message(): void;
  /** More has come than is held. */
  tooLong(): void;
}

class HeldBody implements BodySource, BodySink {
  readonly #source: BodySource;
  readonly #events: HoldEvents;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #hasEnded = false;
  #trailers: HeaderFields | undefined = undefined;
  #error: StreamError | undefined = undefined;
  #sink: BodySink | undefined = undefined;

  constructor(source: BodySource, events: HoldEvents) {
    this.#source = source;
    this.#events = events;
  }

  get hasMessage(): boolean {
    return this.#earlyBytes > 0;
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
    if (chunk.length === 0) return;
    const isFirst = this.#earlyBytes === 0;
    this.#early.push(Buffer.from(chunk));
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes > maxHeldBytes) this.#events.tooLong();
    else if (isFirst) this.#events.message();
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
}
