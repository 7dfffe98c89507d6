// One reflection stream to one server, asked question by question over the sidecar's own HTTP/2 connections. Used by
// reflect.ts. The protobuf and connect libraries would cost every sidecar 35 MB for this one conversation.

import { randomHex } from "../../common/random.ts";
import { classify } from "../grpc/classify.ts";
import { MessageSplitter, prefixMessage } from "../grpc/message-frames.ts";
import { Status } from "../grpc/status.ts";
import { StatusError } from "../grpc/status-error.ts";
import type { BodySink, BodySource } from "../http2/body.ts";
import type { ClientStream, ReplyListener } from "../http2/client.ts";
import { ErrorCode, type StreamError } from "../http2/error-code.ts";
import { HeaderField, type HeaderFields } from "../http2/header-field.ts";
import type { RequestSender } from "../http2/request-sender.ts";
import { decodeAnswer, encodeQuestion, type ReflectionAnswer, type ReflectionQuestion } from "./reflection-messages.ts";

export interface ReflectionTarget {
  readonly host: string;
  readonly port: number;
  /** What is asked, for `:authority` and for people. */
  readonly service: string;
}

export type ReflectionVersion = "v1" | "v1alpha";

const connectTimeoutMs = 1_000;
/** A file with all that it imports; larger answers are taken for a mistake. */
const maxAnswerBytes = 4 << 20;

interface Waiting {
  resolve(answer: ReflectionAnswer): void;
  reject(error: unknown): void;
}

export class ReflectionStream implements BodySource, BodySink, ReplyListener {
  readonly #stream: ClientStream;
  readonly #splitter = new MessageSplitter(maxAnswerBytes, (message) => this.#onMessage(message));
  #head: HeaderFields = [];
  #upstreamBody: BodySource | undefined;
  #requestSink: BodySink | undefined;
  #unsent: Buffer[] = [];
  #waiting: Waiting | undefined;
  #error: unknown;
  #isClosed = false;

  constructor(sender: RequestSender, target: ReflectionTarget, version: ReflectionVersion) {
    const fields = [
      new HeaderField(":method", "POST"),
      new HeaderField(":scheme", "http"),
      new HeaderField(":path", `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`),
      new HeaderField(":authority", target.service),
      new HeaderField("te", "trailers"),
      new HeaderField("content-type", "application/grpc"),
      new HeaderField("user-agent", "ferry"),
      // Not sampled: nobody wants to find our own questions among the traces.
      new HeaderField("traceparent", `00-${randomHex(16)}-${randomHex(8)}-00`),
    ];
    this.#stream = sender.request(target.host, target.port, connectTimeoutMs, fields, this, this);
  }

  /** The answer to one question; one at a time. Rejects with a StatusError when the server ends the call instead. */
  ask(question: ReflectionQuestion): Promise<ReflectionAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined) {
        reject(this.#error);
        return;
      }
      this.#waiting = { resolve, reject };
      const framed = prefixMessage(encodeQuestion(question));
      if (this.#requestSink === undefined) this.#unsent.push(framed);
      else this.#requestSink.data(framed, false);
    });
  }

  /** Ends the conversation; a question under way is rejected with `reason`. */
  close(reason: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#fail(reason);
    this.#stream.cancel(ErrorCode.CANCEL);
  }

  // The request's body: questions are far smaller than any window, and asked one at a time.

  attach(sink: BodySink): void {
    this.#requestSink = sink;
    for (const framed of this.#unsent) sink.data(framed, false);
    this.#unsent = [];
  }

  grant(): void {}

  cancel(): void {}

  // The reply.

  head(fields: HeaderFields, end: boolean, body: BodySource): void {
    this.#head = fields;
    if (end) return;
    this.#upstreamBody = body;
    body.attach(this);
  }

  failed(error: StreamError): void {
    this.#fail(error);
  }

  ended(trailers: HeaderFields | undefined, error: StreamError | undefined): void {
    if (error !== undefined) {
      this.#fail(error);
      return;
    }
    const { status } = classify(this.#head, { trailers, error: undefined });
    this.#fail(new StatusError(status as Status, "the server ended the reflection stream"));
  }

  data(chunk: Buffer): void {
    if (this.#error !== undefined) return;
    try {
      const problem = this.#splitter.push(chunk);
      if (problem !== undefined) throw new StatusError(Status.INTERNAL, `a reflection answer is ${problem}`);
      this.#upstreamBody?.grant(chunk.length);
    } catch (error) {
      this.close(error);
    }
  }

  trailers(): void {}

  abort(error: StreamError): void {
    this.#fail(error);
  }

  #onMessage(message: Buffer): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(decodeAnswer(message));
  }

  #fail(error: unknown): void {
    this.#error ??= error;
    this.#waiting?.reject(this.#error);
    this.#waiting = undefined;
  }
}
