// One exchange of a scripted endpoint: plays an answer to a request as the HTTP/2 client of the proxy would tell it.

import { prefixMessage } from "../../grpc/message-frames.ts";
import { type BodySink, type BodySource, emptyBody } from "../../http2/body.ts";
import type { ReplyListener } from "../../http2/client.ts";
import { ErrorCode, StreamError } from "../../http2/error-code.ts";
import { HeaderField, type HeaderFields } from "../../http2/header-field.ts";

/** What an endpoint does with one request. */
export type Answer =
  | { readonly kind: "trailers_only"; readonly status: number; readonly failure?: string; readonly pushback?: string }
  /** A header, perhaps a message, then trailers. */
  | { readonly kind: "status"; readonly status: number; readonly message?: string; readonly pushback?: string }
  /** Not gRPC: `:status` and a page. */
  | { readonly kind: "http"; readonly status: number }
  | { readonly kind: "refuse_connection" }
  | { readonly kind: "refuse_stream" }
  | { readonly kind: "lose_connection" }
  /** A header and a message, then the connection breaks. */
  | { readonly kind: "break_after_message" }
  | { readonly kind: "break_inside_message" }
  | { readonly kind: "header_only" }
  /** A header and that much of a message; nothing follows. */
  | { readonly kind: "message_only"; readonly bytes: number }
  /** A header, then so many chunks of 16 KiB, as fast as credit comes back; then OK. */
  | { readonly kind: "flood"; readonly chunks: number }
  /** RST_STREAM with CANCEL. */
  | { readonly kind: "cancel_stream" }
  | { readonly kind: "never" }
  /** A header at once; what else there is of that answer so much later. */
  | { readonly kind: "early_head"; readonly afterMs: number; readonly answer: Answer }
  /** That answer, so much later. */
  | { readonly kind: "later"; readonly afterMs: number; readonly answer: Answer };

export class ScriptedExchange implements BodySource {
  readonly #listener: ReplyListener;
  readonly #pending: ((sink: BodySink) => void)[] = [];
  #sink: BodySink | undefined;
  #hasHead = false;
  #isOver = false;
  #chunksLeft = 0;
  #credit = 65_535;
  #isFlooding = false;

  constructor(listener: ReplyListener) {
    this.#listener = listener;
  }

  play(answer: Answer): void {
    if (this.#isOver) return;
    switch (answer.kind) {
      case "trailers_only": {
        const extra = answer.failure === undefined ? [] : [new HeaderField("x-ferry-failure", answer.failure)];
        extra.push(...pushbackFields(answer.pushback));
        this.#isOver = true;
        this.#listener.head(
          [...head, new HeaderField("grpc-status", String(answer.status)), ...extra],
          true,
          emptyBody,
        );
        this.#listener.ended(undefined, undefined);
        return;
      }
      case "status": {
        this.#head();
        if (answer.message !== undefined) this.#push((sink) => sink.data(Buffer.from(answer.message!), false));
        const trailers = [new HeaderField("grpc-status", String(answer.status)), ...pushbackFields(answer.pushback)];
        this.#isOver = true;
        this.#push((sink) => sink.trailers(trailers));
        this.#listener.ended(trailers, undefined);
        return;
      }
      case "http":
        this.#hasHead = true;
        this.#listener.head([new HeaderField(":status", String(answer.status))], false, this);
        if (this.#isOver) return;
        this.#isOver = true;
        this.#push((sink) => sink.data(Buffer.from("page"), true));
        this.#listener.ended(undefined, undefined);
        return;
      case "flood":
        this.#chunksLeft = answer.chunks;
        this.#head();
        return;
      case "early_head":
        this.#head();
        return;
      case "refuse_connection":
        this.fail(new StreamError(ErrorCode.REFUSED_STREAM, "connection", "connect refused", true));
        return;
      case "refuse_stream":
        this.fail(new StreamError(ErrorCode.REFUSED_STREAM, "peer", "refused", true));
        return;
      case "cancel_stream":
        this.fail(new StreamError(ErrorCode.CANCEL, "peer", "cancelled"));
        return;
      case "lose_connection":
        this.fail(new StreamError(ErrorCode.CANCEL, "connection", "socket closed"));
        return;
      case "break_after_message":
        this.#head();
        this.#push((sink) => sink.data(prefixMessage(Buffer.from("part")), false));
        this.fail(new StreamError(ErrorCode.CANCEL, "connection", "socket closed"));
        return;
      case "break_inside_message":
        this.#head();
        this.#push((sink) => sink.data(prefixMessage(Buffer.from("part")).subarray(0, 7), false));
        this.fail(new StreamError(ErrorCode.CANCEL, "connection", "socket closed"));
        return;
      case "header_only":
        this.#head();
        return;
      case "message_only":
        this.#head();
        this.#push((sink) => sink.data(Buffer.alloc(answer.bytes), false));
        return;
      case "never":
      case "later":
        return;
    }
  }

  fail(error: StreamError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#hasHead) this.#push((sink) => sink.abort(error));
    else this.#listener.failed(error);
    this.#listener.ended(undefined, error);
  }

  attach(sink: BodySink): void {
    this.#sink = sink;
    for (const event of this.#pending) event(sink);
    this.#pending.length = 0;
    this.#flood();
  }

  grant(bytes: number): void {
    this.#credit += bytes;
    // As on the wire, more comes later and not while the sink is being fed.
    queueMicrotask(() => this.#flood());
  }

  #flood(): void {
    if (this.#isFlooding || this.#isOver) return;
    this.#isFlooding = true;
    for (; this.#chunksLeft > 0 && this.#credit >= floodChunk.length; this.#chunksLeft--) {
      this.#credit -= floodChunk.length;
      this.#sink?.data(floodChunk, false);
      if (this.#chunksLeft === 1) this.play({ kind: "status", status: 0 });
    }
    this.#isFlooding = false;
  }

  cancel(): void {}

  #head(): void {
    if (this.#hasHead) return;
    this.#hasHead = true;
    this.#listener.head(head, false, this);
  }

  #push(event: (sink: BodySink) => void): void {
    if (this.#sink === undefined) this.#pending.push(event);
    else event(this.#sink);
  }
}

function pushbackFields(value: string | undefined): HeaderField[] {
  return value === undefined ? [] : [new HeaderField("grpc-retry-pushback-ms", value)];
}

const floodChunk = Buffer.alloc(16_384, 7);

const head: HeaderFields = [new HeaderField(":status", "200"), new HeaderField("content-type", "application/grpc")];
