// A streamed reply that the sidecar makes itself. Messages are asked for one by one and only while the caller has
// credit, so a slow reader costs one message and what is under way to it. Used by serve-local.ts.

import type { Call, Outcome, Reply } from "../call.ts";
import type { BodySink, BodySource } from "../http2/body.ts";
import { ErrorCode, StreamError } from "../http2/error-code.ts";
import { HeaderField, type HeaderFields } from "../http2/header-field.ts";
import { encodeGrpcMessage } from "./percent.ts";
import { Status } from "./status.ts";
import { StatusError } from "./status-error.ts";

/** Octets that may be under way to the caller before the next message is made: HTTP/2's first window. */
const maxOutstandingBytes = 65_535;

const head: HeaderFields = [new HeaderField(":status", "200"), new HeaderField("content-type", "application/grpc")];

export class LocalStreamReply implements Reply, BodySource {
  readonly fields = head;
  readonly endsWithHead = false;
  readonly #run: (signal: AbortSignal) => AsyncIterable<Buffer>;
  readonly #call: Call;
  readonly #stopped = new AbortController();
  #sink: BodySink | undefined = undefined;
  #outstanding = 0;
  #roomMade: (() => void) | undefined = undefined;
  #outcome: Outcome | undefined = undefined;
  #listeners: ((outcome: Outcome) => void)[] = [];

  /** `run` gives the framed messages; it begins when the reply is attached to, and ends when its signal aborts. */
  constructor(call: Call, run: (signal: AbortSignal) => AsyncIterable<Buffer>) {
    this.#call = call;
    this.#run = run;
    call.onCancel((failure) => {
      if (!this.#end({ status: failure.status, httpStatus: 200, failure: failure.kind })) return;
      this.#sink?.abort(new StreamError(ErrorCode.CANCEL, "us", failure.message));
    });
  }

  get body(): BodySource {
    return this;
  }

  onEnd(listener: (outcome: Outcome) => void): void {
    if (this.#outcome !== undefined) listener(this.#outcome);
    else this.#listeners.push(listener);
  }

  attach(sink: BodySink): void {
    this.#sink = sink;
    const failure = this.#call.cancelled;
    if (failure !== undefined) sink.abort(new StreamError(ErrorCode.CANCEL, "us", failure.message));
    else void this.#pump(sink);
  }

  grant(bytes: number): void {
    this.#outstanding -= bytes;
    if (this.#outstanding < maxOutstandingBytes) this.#roomMade?.();
  }

  cancel(_code: ErrorCode): void {
    this.#end({ status: Status.CANCELLED, httpStatus: 200, failure: "cancelled" });
  }

  async #pump(sink: BodySink): Promise<void> {
    let status: number = Status.OK;
    let message = "";
    try {
      for await (const framed of this.#run(this.#stopped.signal)) {
        if (this.#outcome !== undefined) return;
        this.#outstanding += framed.length;
        sink.data(framed, false);
        while (this.#outstanding >= maxOutstandingBytes && this.#outcome === undefined) await this.#room();
      }
    } catch (error) {
      const refusal = error instanceof StatusError ? error : undefined;
      status = refusal?.status ?? Status.INTERNAL;
      message = refusal?.message ?? "defect in the sidecar";
    }
    if (!this.#end({ status, httpStatus: 200, failure: undefined })) return;
    const trailers = [new HeaderField("grpc-status", String(status))];
    if (message !== "") trailers.push(new HeaderField("grpc-message", encodeGrpcMessage(message)));
    sink.trailers(trailers);
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#roomMade = resolve;
    });
  }

  /** Whether this was the first end. */
  #end(outcome: Outcome): boolean {
    if (this.#outcome !== undefined) return false;
    this.#outcome = outcome;
    this.#stopped.abort();
    this.#roomMade?.();
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(outcome);
    return true;
  }
}
