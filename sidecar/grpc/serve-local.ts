// A small gRPC server for what the sidecar answers itself: health and reflection at the gateway. It sits at the end of
// a stack like any upstream, so deadlines, limits and metrics apply to these calls as to all others. Flow control holds
// in both directions: requests are granted as they are taken, replies wait for the caller's credit.
//
// Messages come through a codec, so that small ones need no protobuf library; protobuf-method.ts makes one from a
// generated descriptor.

import type { Call, Outcome, Reply } from "../call.ts";
import { emptyBody } from "../http2/body.ts";
import { HeaderField, type HeaderFields } from "../http2/header-field.ts";
import { PendingReply } from "../pending-reply.ts";
import type { Service } from "../stack.ts";
import { LocalStreamReply } from "./local-stream-reply.ts";
import { prefixMessage } from "./message-frames.ts";
import { encodeGrpcMessage } from "./percent.ts";
import { RequestMessages } from "./request-messages.ts";
import { Status } from "./status.ts";
import { StatusError } from "./status-error.ts";

/** What a handler may know of its call. */
export interface LocalContext {
  readonly call: Call;
  /** Aborts when nobody waits for the answer any more; a handler that waits must watch it. */
  readonly signal: AbortSignal;
}

/** How a method streams, and how its messages look on the wire. */
export interface LocalCodec<Kind, I, O> {
  readonly methodKind: Kind;
  /** May throw: the caller then gets INTERNAL. */
  decode(bytes: Buffer): I;
  encode(message: O): Uint8Array;
}

type Unary<I, O> = (request: I, context: LocalContext) => O | Promise<O>;
type ServerStreaming<I, O> = (request: I, context: LocalContext) => AsyncIterable<O>;
type BidiStreaming<I, O> = (requests: AsyncIterable<I>, context: LocalContext) => AsyncIterable<O>;

/** Serves one method. A handler ends a call by throwing a StatusError; anything else that it throws is a defect. */
export function localMethod<I, O>(codec: LocalCodec<"unary", I, O>, handler: Unary<I, O>): Service<Call>;
export function localMethod<I, O>(
  codec: LocalCodec<"server_streaming", I, O>,
  handler: ServerStreaming<I, O>,
): Service<Call>;
export function localMethod<I, O>(
  codec: LocalCodec<"bidi_streaming", I, O>,
  handler: BidiStreaming<I, O>,
): Service<Call>;
export function localMethod(codec: LocalCodec<string, unknown, unknown>, handler: unknown): Service<Call> {
  const decode = (bytes: Buffer) => decodeRequest(codec, bytes);
  const encode = (message: unknown) => prefixMessage(codec.encode(message));

  return function serveLocal(call) {
    const requests = call.endsWithHead ? undefined : new RequestMessages(call.body);
    if (codec.methodKind === "unary") {
      const handle = handler as Unary<unknown, unknown>;
      const run = async (context: LocalContext) => encode(await handle(await one(requests, decode), context));
      return PendingReply.from(serveUnary(call, requests, run));
    }
    return PendingReply.withReply(
      new LocalStreamReply(call, async function* run(signal) {
        const context = { call, signal };
        const answers =
          codec.methodKind === "bidi_streaming"
            ? (handler as BidiStreaming<unknown, unknown>)(all(requests, decode), context)
            : (handler as ServerStreaming<unknown, unknown>)(await one(requests, decode), context);
        try {
          for await (const answer of answers) yield encode(answer);
        } finally {
          requests?.stop();
        }
      }),
    );
  };
}

const okHead: HeaderFields = [new HeaderField(":status", "200"), new HeaderField("content-type", "application/grpc")];
const okTrailers: HeaderFields = [new HeaderField("grpc-status", "0")];

/** The answer is computed before the header goes out, so a refusal is one header block. */
async function serveUnary(
  call: Call,
  requests: RequestMessages | undefined,
  run: (context: LocalContext) => Promise<Buffer>,
): Promise<Reply> {
  const cancelled = new AbortController();
  call.onCancel((failure) => {
    cancelled.abort(failure);
    requests?.stop();
  });
  try {
    const answer = await run({ call, signal: cancelled.signal });
    if (call.cancelled !== undefined) throw call.cancelled;
    return wholeReply(answer);
  } catch (error) {
    if (call.cancelled !== undefined || !(error instanceof StatusError)) throw call.cancelled ?? error;
    return refusal(error);
  } finally {
    requests?.stop();
  }
}

function wholeReply(message: Buffer): Reply {
  const outcome: Outcome = { status: Status.OK, httpStatus: 200, failure: undefined };
  return {
    fields: okHead,
    endsWithHead: false,
    body: {
      attach(sink) {
        sink.data(message, false);
        sink.trailers(okTrailers);
      },
      grant() {},
      cancel() {},
    },
    onEnd: (listener) => listener(outcome),
  };
}

function refusal(error: StatusError): Reply {
  const outcome: Outcome = { status: error.status, httpStatus: 200, failure: undefined };
  const status = new HeaderField("grpc-status", String(error.status));
  const message = new HeaderField("grpc-message", encodeGrpcMessage(error.message));
  const fields = [...okHead, status, message];
  return { fields, endsWithHead: true, body: emptyBody, onEnd: (listener) => listener(outcome) };
}

type Decode = (bytes: Buffer) => unknown;

async function one(requests: RequestMessages | undefined, decode: Decode): Promise<unknown> {
  const bytes = await requests?.next();
  if (bytes === undefined) throw new StatusError(Status.INTERNAL, "the request has no message");
  if ((await requests?.next()) !== undefined) {
    throw new StatusError(Status.INTERNAL, "the request has more than one message");
  }
  return decode(bytes);
}

async function* all(requests: RequestMessages | undefined, decode: Decode): AsyncGenerator<unknown, void> {
  for (;;) {
    const bytes = await requests?.next();
    if (bytes === undefined) return;
    yield decode(bytes);
  }
}

function decodeRequest(codec: LocalCodec<string, unknown, unknown>, bytes: Buffer): unknown {
  try {
    return codec.decode(bytes);
  } catch {
    throw new StatusError(Status.INTERNAL, "a request message is malformed");
  }
}
