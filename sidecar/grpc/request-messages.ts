// The request messages of a call that the sidecar answers itself, read one by one. Credit goes back to the caller when
// the handler has taken what came, so a handler that is slow holds at most one window of messages.

import type { BodySink, BodySource } from "../http2/body.ts";
import type { StreamError } from "../http2/error-code.ts";
import { type FrameProblem, MessageSplitter } from "./message-frames.ts";
import { Status } from "./status.ts";
import { StatusError } from "./status-error.ts";

/** No question that a sidecar is asked comes near; it bounds what a caller can make it hold. */
const maxMessageBytes = 64 * 1024;

export class RequestMessages implements BodySink {
  readonly #body: BodySource;
  readonly #splitter: MessageSplitter;
  #queue: Buffer[] = [];
  #ungranted = 0;
  #hasEnded = false;
  #error: Error | undefined = undefined;
  #wake: (() => void) | undefined = undefined;

  constructor(body: BodySource) {
    this.#body = body;
    this.#splitter = new MessageSplitter(maxMessageBytes, (message, isCompressed) => {
      if (isCompressed)
        this.#fail(new StatusError(Status.UNIMPLEMENTED, "compressed requests are not understood here"));
      else this.#queue.push(message);
    });
    body.attach(this);
  }

  /** The next message; undefined after the last. Rejects when the request is malformed or breaks off. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const message = this.#queue.shift();
      if (message !== undefined) {
        if (this.#queue.length === 0) this.#grant();
        return message;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#hasEnded) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /**
   * Nothing further is wanted: what is left of the request is taken and dropped. Not cancelled, because a reset would
   * overtake the reply.
   */
  stop(): void {
    this.#queue = [];
    this.#fail(new StatusError(Status.CANCELLED, "the call is over"));
  }

  data(chunk: Buffer, end: boolean): void {
    this.#ungranted += chunk.length;
    if (this.#error === undefined) this.#problem(this.#splitter.push(chunk));
    // What makes only part of a message must be granted, or the rest of a message above the window never comes.
    if (this.#queue.length === 0) this.#grant();
    if (end) this.#end();
    this.#wake?.();
  }

  trailers(): void {
    this.#end();
  }

  abort(error: StreamError): void {
    this.#fail(error);
  }

  #end(): void {
    this.#hasEnded = true;
    if (!this.#splitter.isAtBoundary) {
      this.#fail(new StatusError(Status.INTERNAL, "the request ends within a message"));
    }
    this.#wake?.();
  }

  #problem(problem: FrameProblem): void {
    if (problem === "too_large") {
      this.#fail(
        new StatusError(Status.RESOURCE_EXHAUSTED, `a request message has more than ${maxMessageBytes} bytes`),
      );
    } else if (problem === "bad_flag") {
      this.#fail(new StatusError(Status.INTERNAL, "a request message does not begin with 0 or 1"));
    }
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#grant();
    this.#wake?.();
  }

  #grant(): void {
    const bytes = this.#ungranted;
    this.#ungranted = 0;
    if (bytes > 0) this.#body.grant(bytes);
  }
}
