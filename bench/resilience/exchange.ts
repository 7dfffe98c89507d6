// One request on its way and what becomes of it, as the two sides of the modelled network see it: a request that has
// arrived, and a stream that may be cancelled.

import type { BodySink, BodySource } from "../../sidecar/http2/body.ts";
import type { ClientStream, ReplyListener } from "../../sidecar/http2/client.ts";
import { ErrorCode, StreamError } from "../../sidecar/http2/error-code.ts";
import type { HeaderFields } from "../../sidecar/http2/header-field.ts";
import { type Answer, ModelledReply } from "./modelled-reply.ts";
import type { Arrived } from "./modelled-server.ts";

export class Exchange implements Arrived, ClientStream {
  readonly fields: HeaderFields;
  isCancelled = false;
  readonly #body: BodySource | undefined;
  readonly #reply: ModelledReply;
  readonly #listeners: (() => void)[] = [];
  #onAnswer: ((answer: Answer) => void) | undefined;

  constructor(fields: HeaderFields, body: BodySource | undefined, listener: ReplyListener) {
    this.fields = fields;
    this.#body = body;
    this.#reply = new ModelledReply(listener);
  }

  begin(onAnswer: (answer: Answer) => void): void {
    this.#onAnswer = onAnswer;
    this.#body?.attach(nowhere);
  }

  answer(answer: Answer): void {
    this.#onAnswer?.(answer);
    this.#onAnswer = undefined;
  }

  play(answer: Answer): void {
    this.#reply.play(answer);
  }

  fail(error: StreamError): void {
    this.#reply.fail(error);
  }

  /** Its connection broke. */
  lose(): void {
    this.#end();
    this.fail(new StreamError(ErrorCode.CANCEL, "connection", "socket closed"));
  }

  cancel(): void {
    this.#end();
    this.#reply.cancel();
  }

  onCancel(listener: () => void): void {
    if (this.isCancelled) listener();
    else this.#listeners.push(listener);
  }

  #end(): void {
    this.isCancelled = true;
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

const nowhere: BodySink = { data: () => {}, trailers: () => {}, abort: () => {} };
