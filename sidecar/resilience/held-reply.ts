// Holds a reply back while another try could still replace it. gRPC's verdict is in the trailers: a server that sends
// its header first and UNAVAILABLE after it can only be retried if nobody has seen the header. What is held, and for
// how long, is one of three forms; retry.ts decides which replies are worth it. docs/decisions/0005.
//
//   headers   of a unary method: the header, until a message begins or the trailers come
//   probation of a method whose kind is unknown: the same, for 50 ms at most, since it may be a stream
//   message   of a unary method that asked for it: a message too, up to 64 KiB and 50 ms, so that an instance that dies
//             between its message and its trailers is replaced as well
//
// A body that goes out is passed on as it comes: nothing of it is kept but its first bytes, for the moment until
// somebody takes it.

import type { Clock, Timer } from "../../common/clock.ts";
import type { Outcome, Reply } from "../call.ts";
import type { BodySink, BodySource } from "../http2/body.ts";
import type { ErrorCode, StreamError } from "../http2/error-code.ts";
import type { HeaderFields } from "../http2/header-field.ts";

/** What is held of a message; a longer reply goes out at once. */
export const maxHeldBytes = 65_536;
/** How long a message waits for its trailers, and the header of an unknown method for a message. */
export const maxHeldMs = 50;

export type Hold = "headers" | "probation" | "message";

/** A reply that waits, and once it is released the same reply for the caller. */
export class HeldReply implements Reply, BodySource, BodySink {
  readonly fields: HeaderFields;
  readonly endsWithHead = false;
  readonly #reply: Reply;
  readonly #hold: Hold;
  readonly #clock: Clock;
  #timer: Timer | undefined = undefined;
  #isBuilt = false;
  #isReleased = false;
  #verdict: Outcome | undefined = undefined;
  #wake: (() => void) | undefined = undefined;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #hasEnded = false;
  #trailers: HeaderFields | undefined = undefined;
  #error: StreamError | undefined = undefined;
  #sink: BodySink | undefined = undefined;

  /** Takes the body of `reply`; all of a short reply may be there already, and then it is released at once. */
  constructor(reply: Reply, hold: Hold, clock: Clock) {
    this.fields = reply.fields;
    this.#reply = reply;
    this.#hold = hold;
    this.#clock = clock;
    // Order matters: a message that came before the end must be seen first.
    reply.body.attach(this);
    if (!this.#isReleased) reply.onEnd((outcome) => this.#end(outcome));
    // Not before all that was there has been seen: a timer costs more than the rest of a hold.
    if (!this.#isReleased && (hold === "probation" || this.#earlyBytes > 0)) this.#startTimer();
    this.#isBuilt = true;
  }

  /**
   * How it ended, when another try may replace it; undefined for one that is the caller's: it is not over, or the
   * application answered with a message.
   */
  get verdict(): Outcome | undefined {
    return this.#verdict;
  }

  /** Tells once when it is released, at once when it is. */
  whenReleased(listener: () => void): void {
    if (this.#isReleased) listener();
    else this.#wake = listener;
  }

  get body(): BodySource {
    return this;
  }

  onEnd(listener: (outcome: Outcome) => void): void {
    this.#reply.onEnd(listener);
  }

  attach(sink: BodySink): void {
    let hasToldEnd = false;
    // A sink that grants what it gets may make more come while it is fed.
    for (let chunk = this.#early.shift(); chunk !== undefined; chunk = this.#early.shift()) {
      hasToldEnd = this.#endsPlainly && this.#early.length === 0;
      sink.data(chunk, hasToldEnd);
    }
    if (this.#endsPlainly && !hasToldEnd) sink.data(noBytes, true);
    this.#sink = sink;
    if (this.#trailers !== undefined) sink.trailers(this.#trailers);
    else if (this.#error !== undefined) sink.abort(this.#error);
  }

  grant(bytes: number): void {
    this.#reply.body.grant(bytes);
  }

  cancel(code: ErrorCode): void {
    this.#reply.body.cancel(code);
  }

  data(chunk: Buffer, end: boolean): void {
    if (this.#sink === undefined && chunk.length > 0) this.#judge(chunk.length);
    this.#hasEnded ||= end;
    // Whoever takes a reply on its release does so at once: what is passing needs no copy.
    const sink = this.#sink;
    if (sink !== undefined) sink.data(chunk, end);
    else if (chunk.length > 0) this.#early.push(Buffer.from(chunk));
  }

  /** So many bytes came while nobody had taken it. */
  #judge(bytes: number): void {
    this.#earlyBytes += bytes;
    if (this.#isReleased) return;
    if (this.#hold !== "message" || this.#earlyBytes > maxHeldBytes) this.#release();
    else if (this.#isBuilt && this.#timer === undefined) this.#startTimer();
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

  /** All has come, without trailers. */
  get #endsPlainly(): boolean {
    return this.#hasEnded && this.#trailers === undefined && this.#error === undefined;
  }

  #end(outcome: Outcome): void {
    if (this.#isReleased) return;
    // What the application answered with a message is the caller's; only what a Ferry had to end may be replaced.
    if (this.#earlyBytes === 0 || outcome.failure !== undefined) this.#verdict = outcome;
    this.#release();
  }

  #startTimer(): void {
    this.#timer = this.#clock.after(maxHeldMs, () => this.#release());
  }

  #release(): void {
    if (this.#isReleased) return;
    this.#timer?.cancel();
    this.#isReleased = true;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

const noBytes = Buffer.alloc(0);
