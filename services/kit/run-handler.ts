// Runs handlers under grpc-js: one function for each of the four kinds of method. In order: span, validation, handler,
// outcome. Guarantees: a refusal becomes its status through refusal-status.ts; anything thrown is logged with an id
// that the caller gets with INTERNAL and nothing else; a slow reader of a stream holds the generator back; a cancelled
// call ends its generator. Called by serve.ts. Hot: once per call.

import { once } from "node:events";
import type { DescMethod, Message } from "@bufbuild/protobuf";
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type ServerDuplexStream,
  type ServerWritableStream,
  type StatusObject,
  status,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import type { JsonLog } from "../../common/json-log.ts";
import { CallContext, type CallDefaults } from "./call-context.ts";
import type { HandlerContext } from "./handler.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import { refusalStatus } from "./refusal-status.ts";
import type { Tracing } from "./tracing.ts";
import type { Validate } from "./validate.ts";

/** One method with its handler and what it shares with the others. */
export interface HandlerTarget {
  readonly service: string;
  readonly method: DescMethod;
  readonly handler: unknown;
  readonly defaults: CallDefaults;
  readonly validate: Validate;
  readonly log: JsonLog;
  readonly tracing: Tracing | undefined;
}

type UnaryHandler = (request: Message, context: HandlerContext) => Message | Refusal | Promise<Message | Refusal>;
type CollectingHandler = (requests: AsyncIterable<Message>, context: HandlerContext) => Promise<Message | Refusal>;
type Answers = AsyncGenerator<Message, Refusal | undefined, undefined>;
type StreamHandler = (request: Message, context: HandlerContext) => Answers;
type BidiHandler = (requests: AsyncIterable<Message>, context: HandlerContext) => Answers;

/** The grpc-js handler of a method. */
export function grpcHandler(target: HandlerTarget): UntypedHandleCall {
  switch (target.method.methodKind) {
    case "unary":
      return unary(target, target.handler as UnaryHandler);
    case "client_streaming":
      return clientStream(target, target.handler as CollectingHandler);
    case "server_streaming":
      return serverStream(target, target.handler as StreamHandler);
    case "bidi_streaming":
      return bidi(target, target.handler as BidiHandler);
  }
}

function unary(target: HandlerTarget, handler: UnaryHandler): handleUnaryCall<Message, Message> {
  return function unaryCall(call, callback) {
    const context = new CallContext(call, target.defaults);
    void settle(target, context, async () => {
      const judging = target.validate(target.method.input, call.request);
      const invalid = judging === undefined ? undefined : await judging;
      return invalid ?? handler(call.request, context);
    }).then((outcome) => reply(outcome, context, callback));
  };
}

function clientStream(target: HandlerTarget, handler: CollectingHandler): handleClientStreamingCall<Message, Message> {
  return function clientStreamCall(call, callback) {
    const context = new CallContext(call, target.defaults);
    void settle(target, context, () => handler(validated(target, call), context)).then((outcome) =>
      reply(outcome, context, callback),
    );
  };
}

function serverStream(target: HandlerTarget, handler: StreamHandler): handleServerStreamingCall<Message, Message> {
  return function serverStreamCall(call) {
    const context = new CallContext(call, target.defaults);
    void settle(target, context, async () => {
      const invalid = await target.validate(target.method.input, call.request);
      return invalid ?? (await pump(handler(call.request, context), call, context));
    }).then((outcome) => finish(outcome, context, call));
  };
}

function bidi(target: HandlerTarget, handler: BidiHandler): handleBidiStreamingCall<Message, Message> {
  return function bidiCall(call) {
    const context = new CallContext(call, target.defaults);
    void settle(target, context, () => pump(handler(validated(target, call), context), call, context)).then((outcome) =>
      finish(outcome, context, call),
    );
  };
}

interface Outcome {
  /** Undefined for a stream that ended well. */
  readonly message: Message | undefined;
  /** Undefined: OK. */
  readonly error: StatusObject | undefined;
}

/** Runs `work` inside the call's span and makes an outcome of whatever happens; never rejects. */
async function settle(
  target: HandlerTarget,
  context: CallContext,
  work: () => Promise<Message | Refusal | undefined>,
): Promise<Outcome> {
  const span = target.tracing?.serverSpan({
    service: target.service,
    method: target.method.name,
    header: (name) => context.header(name),
  });
  if (span !== undefined) context.traceparent = span.traceparent;
  let outcome: Outcome;
  try {
    const answer = await (span === undefined ? work() : span.run(work));
    if (answer === undefined || !isRefusal(answer)) outcome = { message: answer, error: undefined };
    else outcome = { message: undefined, error: refusalStatus(answer) };
  } catch (error) {
    outcome = { message: undefined, error: errorStatus(error, target, context) };
  }
  span?.end(outcome.error?.code ?? status.OK, outcome.error?.details ?? "");
  return outcome;
}

/** A request of a stream broke a rule: carries the refusal out through the handler that reads the stream. */
class RequestRefused extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

function errorStatus(error: unknown, target: HandlerTarget, context: CallContext): StatusObject {
  if (error instanceof RequestRefused) return refusalStatus(error.refusal);
  const metadata = new Metadata();
  // Whatever a handler throws once its caller is gone is the cancellation, seen from inside.
  if (context.isCancelled) return { code: status.CANCELLED, details: "the call was cancelled", metadata };
  const id = target.defaults.randomHex(8);
  const method = `${target.service}/${target.method.name}`;
  target.log.error("a handler failed", { bug: id, method, requestId: context.requestId, error });
  return { code: status.INTERNAL, details: `internal error; the service's log has it under ${id}`, metadata };
}

type Callback = Parameters<handleUnaryCall<Message, Message>>[1];

function reply(outcome: Outcome, context: CallContext, callback: Callback): void {
  if (outcome.error !== undefined || outcome.message === undefined) {
    const error = outcome.error ?? { code: status.INTERNAL, details: "no answer", metadata: new Metadata() };
    callback({ ...error, metadata: context.completeError(error.metadata) });
    return;
  }
  context.sendHeader();
  callback(null, outcome.message, context.trailers);
}

type Writable = ServerWritableStream<Message, Message> | ServerDuplexStream<Message, Message>;

function finish(outcome: Outcome, context: CallContext, call: Writable): void {
  if (context.isCancelled) return;
  if (outcome.error === undefined) {
    context.sendHeader();
    call.end(context.trailers);
    return;
  }
  // How grpc-js takes a status for a stream: an "error" event with code, details and metadata.
  call.emit("error", { ...outcome.error, metadata: context.completeError(outcome.error.metadata) });
}

/** Writes what `answers` yields, no faster than the caller reads. */
async function pump(answers: Answers, call: Writable, context: CallContext): Promise<Refusal | undefined> {
  try {
    for (;;) {
      const step = await answers.next();
      if (step.done === true) return step.value;
      if (context.isCancelled) throw new Error("cancelled");
      context.sendHeader();
      if (!call.write(step.value)) await once(call, "drain", { signal: context.signal });
    }
  } finally {
    await answers.return(undefined);
  }
}

/** The requests of a stream, each checked; reads ahead at most the 16 objects that a Readable holds. */
async function* validated(target: HandlerTarget, call: AsyncIterable<Message>): AsyncGenerator<Message> {
  let number = 0;
  for await (const request of call) {
    number++;
    const invalid = await target.validate(target.method.input, request);
    if (invalid !== undefined) {
      throw new RequestRefused({ ...invalid, message: `message ${number} of the stream: ${invalid.message}` });
    }
    yield request;
  }
}
