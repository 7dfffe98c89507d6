// Where a call turns into HTTP/2 again: one request over the pool, and its reply. The ends of both stacks use it
// (outbound/dial.ts, inbound/dial-app.ts); a cancelled call resets its stream here.

import type { Clock } from "../common/clock.ts";
import { atDeadline, failureOfStream, whereOf } from "./as-failure.ts";
import type { Call, Outcome, Reply, TryCancellation } from "./call.ts";
import type { ProxyFailure } from "./failure.ts";
import { classify } from "./grpc/classify.ts";
import type { BodySource } from "./http2/body.ts";
import type { ReplyListener } from "./http2/client.ts";
import { ErrorCode, type StreamError } from "./http2/error-code.ts";
import type { HeaderFields } from "./http2/header-field.ts";
import type { RequestSender } from "./http2/request-sender.ts";
import { PendingReply } from "./pending-reply.ts";

/** A request on its way: where to, and what. */
export interface OutgoingRequest {
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutMs: number;
  readonly fields: HeaderFields;
  /** Undefined: the request ends with its header. */
  readonly body: BodySource | undefined;
  readonly clock: Clock;
}

/** Fails with a ProxyFailure when no reply will come. `cancel` ends this request and not the call. */
export function sendRequest(
  sender: RequestSender,
  call: Call,
  request: OutgoingRequest,
  cancel?: TryCancellation,
): PendingReply {
  const cancelled = call.cancelled ?? cancel?.cancelled;
  if (cancelled !== undefined) return PendingReply.withError(cancelled);
  const reply = new UpstreamReply(call, cancel, request.clock);
  const { host, port, connectTimeoutMs, fields, body } = request;
  const stream = sender.request(host, port, connectTimeoutMs, fields, body, reply);
  call.onCancel(() => stream.cancel(ErrorCode.CANCEL));
  cancel?.onCancel(() => stream.cancel(ErrorCode.CANCEL));
  return reply.pending;
}

class UpstreamReply implements Reply, ReplyListener {
  readonly #call: Call;
  readonly #cancel: TryCancellation | undefined;
  readonly #clock: Clock;
  readonly pending = new PendingReply();
  #head: { readonly fields: HeaderFields; readonly end: boolean; readonly body: BodySource } | undefined = undefined;
  #outcome: Outcome | undefined = undefined;
  // One field for the first, since most replies have few listeners and an array holds seventeen.
  #listener: ((outcome: Outcome) => void) | undefined = undefined;
  #others: ((outcome: Outcome) => void)[] | undefined = undefined;

  constructor(call: Call, cancel: TryCancellation | undefined, clock: Clock) {
    this.#call = call;
    this.#cancel = cancel;
    this.#clock = clock;
  }

  get fields(): HeaderFields {
    return this.#head!.fields;
  }

  get endsWithHead(): boolean {
    return this.#head!.end;
  }

  get body(): BodySource {
    return this.#head!.body;
  }

  onEnd(listener: (outcome: Outcome) => void): void {
    if (this.#outcome !== undefined) listener(this.#outcome);
    else if (this.#listener === undefined) this.#listener = listener;
    else if (this.#others === undefined) this.#others = [listener];
    else this.#others.push(listener);
  }

  informational(fields: HeaderFields): void {
    // We answered `expect` ourselves (serve-calls.ts).
    if (statusOf(fields) !== 100) this.#call.inform(fields);
  }

  head(fields: HeaderFields, end: boolean, body: BodySource): void {
    this.#head = { fields, end, body };
    // A header that is all is told together with its verdict, in `ended`.
    if (!end) this.pending.replied(this);
  }

  failed(error: StreamError): void {
    this.pending.failed(this.#failureOf(error, whereOf(this.#call)));
  }

  ended(trailers: HeaderFields | undefined, error: StreamError | undefined): void {
    if (this.#head === undefined) return;
    const outcome = this.#verdict(trailers, error);
    this.#outcome = outcome;
    if (this.#head.end) this.pending.replied(this);
    this.#listener?.(outcome);
    if (this.#others !== undefined) for (const listener of this.#others) listener(outcome);
  }

  #verdict(trailers: HeaderFields | undefined, error: StreamError | undefined): Outcome {
    if (error === undefined) return classify(this.fields, { trailers, error: undefined }, this.#call.isGrpc);
    const failure = this.#failureOf(error, "");
    return { status: failure.status, httpStatus: statusOf(this.fields), failure: failure.kind };
  }

  #failureOf(error: StreamError, where: string): ProxyFailure {
    const cancelled = this.#call.cancelled ?? this.#cancel?.cancelled;
    return cancelled ?? atDeadline(failureOfStream(error, where), this.#call, this.#clock.nowMs());
  }
}

function statusOf(fields: HeaderFields): number {
  return Number(fields[0]?.name === ":status" ? fields[0].value : 0);
}
