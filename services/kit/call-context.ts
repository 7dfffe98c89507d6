// The HandlerContext of one call on grpc-js: reads what the caller sent, collects what goes back beside the messages.
// Made once a call by run-handler.ts, so everything that is not always needed is lazy.

import { type Deadline, Metadata } from "@grpc/grpc-js";
import type { Clock } from "../../common/clock.ts";
import type { HandlerContext } from "./handler.ts";

/** What a context needs of a grpc-js call of any kind. */
export interface SurfaceCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  getDeadline(): Deadline;
  sendMetadata(metadata: Metadata): void;
  once(event: "cancelled", listener: () => void): unknown;
}

/** What all calls of one server share. */
export interface CallDefaults {
  /** Headers of every reply, an error without messages included. */
  readonly headers: Metadata;
  readonly draining: AbortSignal;
  readonly clock: Clock;
  readonly randomHex: (bytes: number) => string;
}

export class CallContext implements HandlerContext {
  readonly #call: SurfaceCall;
  readonly #defaults: CallDefaults;
  #headers: Metadata | undefined;
  #trailers: Metadata | undefined;
  #abort: AbortController | undefined;
  #requestId: string | undefined;
  #traceparent: string | undefined;
  #isHeaderSent = false;

  constructor(call: SurfaceCall, defaults: CallDefaults) {
    this.#call = call;
    this.#defaults = defaults;
  }

  get deadlineMs(): number {
    const deadline = this.#call.getDeadline();
    const atMs = typeof deadline === "number" ? deadline : deadline.getTime();
    return atMs === Number.POSITIVE_INFINITY ? atMs : Math.max(0, atMs - this.#defaults.clock.wallMs());
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      const onCancelled = () => abort.abort(new Error("the caller cancelled or its deadline passed"));
      if (this.#call.cancelled) onCancelled();
      else this.#call.once("cancelled", onCancelled);
    }
    return this.#abort.signal;
  }

  get draining(): AbortSignal {
    return this.#defaults.draining;
  }

  get requestId(): string {
    this.#requestId ??= this.header("x-request-id") || this.#defaults.randomHex(16);
    return this.#requestId;
  }

  get traceparent(): string {
    return this.#traceparent ?? this.header("traceparent") ?? "";
  }

  /** The span that stands for this call takes the caller's place for all that the call causes. */
  set traceparent(value: string) {
    this.#traceparent = value;
  }

  header(name: string): string | undefined {
    const value = this.#call.metadata.get(name)[0];
    return typeof value === "string" ? value : undefined;
  }

  setHeader(name: string, value: string): void {
    if (this.#isHeaderSent) throw new Error(`header ${name}: set after the reply's header was sent`);
    this.#headers ??= this.#defaults.headers.clone();
    this.#headers.set(name, value);
  }

  setTrailer(name: string, value: string): void {
    this.#trailers ??= new Metadata();
    this.#trailers.set(name, value);
  }

  sendHeader(): void {
    if (this.#isHeaderSent) return;
    this.#isHeaderSent = true;
    this.#call.sendMetadata(this.#headers ?? this.#defaults.headers);
  }

  get isCancelled(): boolean {
    return this.#call.cancelled;
  }

  /** The trailers of a reply that ends with OK. */
  get trailers(): Metadata | undefined {
    return this.#trailers;
  }

  /** Adds the trailers to an error's metadata, and the headers when they were not sent: the reply is all trailers. */
  completeError(metadata: Metadata): Metadata {
    if (!this.#isHeaderSent) metadata.merge(this.#headers ?? this.#defaults.headers);
    if (this.#trailers !== undefined) metadata.merge(this.#trailers);
    return metadata;
  }
}
