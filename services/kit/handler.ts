// What a service implements: one function for each method of a generated service, typed by its descriptor. Handlers
// get protobuf-es messages and a HandlerContext and return a message or a Refusal; they know nothing of grpc-js.
// Called through run-handler.ts; put together by `implement` and given to `serve`.

import type { DescMessage, DescService, MessageShape } from "@bufbuild/protobuf";
import type { Refusal } from "./refusal.ts";

export interface HandlerContext {
  /** Milliseconds until the caller gives up, never negative; Infinity when there is no deadline. */
  readonly deadlineMs: number;
  /**
   * Aborted when the caller cancels, its deadline passes or the call ends. Made on first use, since one for every call
   * costs a fifth of the throughput: do not read it where nothing waits.
   */
  readonly signal: AbortSignal;
  /** Aborted when the process begins to drain: a stream that has no end of its own should end now. */
  readonly draining: AbortSignal;
  /** The first `x-request-id` of the request; one made up when there is none. */
  readonly requestId: string;
  /** W3C trace context for what this call causes; empty when nobody traces. */
  readonly traceparent: string;
  /** A request header by its lower-case name; undefined when absent. */
  header(name: string): string | undefined;
  /** Sets a header of the reply; before the first message. */
  setHeader(name: string, value: string): void;
  setTrailer(name: string, value: string): void;
  /** Sends the reply's header now, so that the caller knows that a stream has begun; else the first message does. */
  sendHeader(): void;
}

type Answer<O extends DescMessage> = MessageShape<O> | Refusal;
type Answers<O extends DescMessage> = AsyncGenerator<MessageShape<O>, Refusal | undefined, undefined>;

/** The function for one method. A stream ends with OK when its generator returns undefined. */
export type Handler<M> = M extends {
  methodKind: infer K;
  input: infer I extends DescMessage;
  output: infer O extends DescMessage;
}
  ? K extends "unary"
    ? (request: MessageShape<I>, context: HandlerContext) => Answer<O> | Promise<Answer<O>>
    : K extends "server_streaming"
      ? (request: MessageShape<I>, context: HandlerContext) => Answers<O>
      : K extends "client_streaming"
        ? (requests: AsyncIterable<MessageShape<I>>, context: HandlerContext) => Promise<Answer<O>>
        : (requests: AsyncIterable<MessageShape<I>>, context: HandlerContext) => Answers<O>
  : never;

export type Handlers<S extends { method: object }> = { readonly [K in keyof S["method"]]: Handler<S["method"][K]> };

/** A service with its handlers, its types checked and forgotten. */
export interface ServedService {
  readonly service: DescService;
  /** By the method's local name, as `getQuote`. */
  readonly handlers: Readonly<Record<string, unknown>>;
}

/** Pairs a generated service with the functions that implement it. */
export function implement<S extends DescService>(service: S, handlers: Handlers<S>): ServedService {
  return { service, handlers: handlers as Readonly<Record<string, unknown>> };
}
