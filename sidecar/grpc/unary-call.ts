// A small unary call of the sidecar's own, such as a health check, over the data part's pool: no second HTTP/2 client
// in the process, and the connection that calls will use is the one that is proved. Messages are bytes; never rejects.

import type { Clock } from "../../common/clock.ts";
import { type BodySink, type BodySource, wholeBody } from "../http2/body.ts";
import type { ReplyListener } from "../http2/client.ts";
import { ErrorCode, type StreamError } from "../http2/error-code.ts";
import { fieldValue, HeaderField, type HeaderFields } from "../http2/header-field.ts";
import type { RequestSender } from "../http2/request-sender.ts";
import { MessageSplitter, prefixMessage } from "./message-frames.ts";
import { decodeGrpcMessage } from "./percent.ts";
import { formatGrpcTimeout } from "./timeout.ts";

export interface UnaryRequest {
  readonly host: string;
  readonly port: number;
  /** As `/grpc.health.v1.Health/Check`. */
  readonly path: string;
  readonly authority: string;
  readonly message: Uint8Array;
  /** For all of it, connecting included. */
  readonly timeoutMs: number;
}

export type UnaryResult =
  | { readonly kind: "answered"; readonly status: number; readonly text: string; readonly message: Buffer | undefined }
  | { readonly kind: "failed"; readonly error: StreamError }
  | { readonly kind: "timed_out" };

/** Answers of the sidecar's own calls are small. */
const maxMessageBytes = 65_536;

export function callUnary(sender: RequestSender, clock: Clock, request: UnaryRequest): Promise<UnaryResult> {
  return new Promise((resolve) => {
    const { host, port, timeoutMs, message } = request;
    const exchange = new UnaryExchange((result) => {
      timer.cancel();
      resolve(result);
    });
    const timer = clock.after(timeoutMs, () => {
      resolve({ kind: "timed_out" });
      stream.cancel(ErrorCode.CANCEL);
    });
    const stream = sender.request(
      host,
      port,
      timeoutMs,
      fieldsOf(request),
      wholeBody(prefixMessage(message)),
      exchange,
    );
  });
}

class UnaryExchange implements ReplyListener, BodySink {
  readonly #done: (result: UnaryResult) => void;
  readonly #splitter = new MessageSplitter(maxMessageBytes, (message) => {
    this.#message = message;
  });
  #fields: HeaderFields = [];
  #body: BodySource | undefined = undefined;
  #message: Buffer | undefined = undefined;

  constructor(done: (result: UnaryResult) => void) {
    this.#done = done;
  }

  head(fields: HeaderFields, end: boolean, body: BodySource): void {
    this.#fields = fields;
    this.#body = body;
    if (end) this.#answered(fields);
    else body.attach(this);
  }

  failed(error: StreamError): void {
    this.#done({ kind: "failed", error });
  }

  ended(): void {}

  data(chunk: Buffer, end: boolean): void {
    if (this.#splitter.push(chunk) !== undefined) this.#body?.cancel(ErrorCode.CANCEL);
    else this.#body?.grant(chunk.length);
    if (end) this.#answered(this.#fields);
  }

  trailers(fields: HeaderFields): void {
    this.#answered(fields);
  }

  abort(error: StreamError): void {
    this.#done({ kind: "failed", error });
  }

  #answered(fields: HeaderFields): void {
    const status = Number(fieldValue(fields, "grpc-status") ?? 2);
    const text = decodeGrpcMessage(fieldValue(fields, "grpc-message") ?? "");
    this.#done({ kind: "answered", status, text, message: this.#message });
  }
}

function fieldsOf({ path, authority, timeoutMs }: UnaryRequest): HeaderFields {
  return [
    new HeaderField(":method", "POST"),
    new HeaderField(":scheme", "http"),
    new HeaderField(":path", path),
    new HeaderField(":authority", authority),
    new HeaderField("te", "trailers"),
    new HeaderField("content-type", "application/grpc"),
    new HeaderField("user-agent", "ferry"),
    new HeaderField("grpc-timeout", formatGrpcTimeout(timeoutMs)),
  ];
}
