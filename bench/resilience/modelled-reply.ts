// A reply as a listener of ours gets it from a connection, made of plain data: header, message and trailers come at
// once, or the exchange breaks off. Used by the modelled network for what comes back from a server.

import { prefixMessage } from "../../sidecar/grpc/message-frames.ts";
import type { BodySink, BodySource } from "../../sidecar/http2/body.ts";
import type { ReplyListener } from "../../sidecar/http2/client.ts";
import { ErrorCode, StreamError } from "../../sidecar/http2/error-code.ts";
import { HeaderField, type HeaderFields } from "../../sidecar/http2/header-field.ts";

/** What a server said, whole. */
export interface Answer {
  /** The response's header. */
  readonly head: HeaderFields;
  /** Undefined: there was no message. */
  readonly message: Buffer | undefined;
  /** Undefined: the header was all. */
  readonly trailers: HeaderFields | undefined;
}

const head: HeaderFields = [new HeaderField(":status", "200"), new HeaderField("content-type", "application/grpc")];
const message = prefixMessage(Buffer.from("answer"));

export const okAnswer: Answer = { head, message, trailers: [new HeaderField("grpc-status", "0")] };

/** A failed call as most servers tell it: the header has gone, the status is in real trailers. */
export function failedAnswer(status: number): Answer {
  return { head, message: undefined, trailers: [new HeaderField("grpc-status", String(status))] };
}

export class ModelledReply implements BodySource {
  readonly #listener: ReplyListener;
  #isOver = false;
  #answer: Answer | undefined;

  constructor(listener: ReplyListener) {
    this.#listener = listener;
  }

  play(answer: Answer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#answer = answer;
    this.#listener.head(answer.head, answer.trailers === undefined, this);
    this.#listener.ended(answer.trailers, undefined);
  }

  fail(error: StreamError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.failed(error);
    this.#listener.ended(undefined, error);
  }

  /** The client gave the request up. */
  cancel(): void {
    this.fail(new StreamError(ErrorCode.CANCEL, "us", "cancelled"));
  }

  attach(sink: BodySink): void {
    const answer = this.#answer;
    if (answer?.message !== undefined) sink.data(answer.message, false);
    if (answer?.trailers !== undefined) sink.trailers(answer.trailers);
  }

  grant(): void {}
}
