// The one net that catches. Whatever goes wrong further in becomes, here and only here, a reply that explains itself:
// before the header a reply of Ferry's own, after it trailers with a status, so that a gRPC caller does not have to
// guess from a reset. A reply that breaks off inside a message is reset all the same: trailers there would be gRPC that
// nobody may send. Sits inside the recording layers, so that they see what the caller sees.

import type { Clock } from "../common/clock.ts";
import { asFailure, atDeadline } from "./as-failure.ts";
import type { Call, Outcome, Reply } from "./call.ts";
import type { ProxyFailure } from "./failure.ts";
import { failureReply, failureTrailers } from "./grpc/failure-reply.ts";
import { MessageBoundary } from "./grpc/message-boundary.ts";
import type { BodySink, BodySource } from "./http2/body.ts";
import { ErrorCode, StreamError } from "./http2/error-code.ts";
import { fieldValue, type HeaderFields } from "./http2/header-field.ts";
import { PendingReply, type ReplyWaiter } from "./pending-reply.ts";
import { withFields } from "./reply-fields.ts";
import type { Layer } from "./stack.ts";

/** What a reply's last fields, trailers or the header of a Trailers-Only reply, become before they leave. */
export type LastWord = (call: Call, fields: HeaderFields) => HeaderFields;

/** `reportDefect` gets what should not have happened, with the id that the caller is told. */
export function rescue(
  reportDefect: (error: unknown, requestId: string) => void,
  clock: Clock,
  lastWord?: LastWord,
): Layer<Call> {
  const words: LastWords = {
    explain(error, call) {
      const failure = asFailure(error, call);
      if (failure.kind === "internal") reportDefect(error, call.requestId);
      return atDeadline(failure, call, clock.nowMs());
    },
    lastWord,
  };
  return (next) =>
    function rescue(call) {
      const rescued = new RescuedCall(call, words);
      try {
        next(call).tell(rescued);
      } catch (error) {
        rescued.failed(error);
      }
      return rescued.pending;
    };
}

/** How replies end, whatever the call: made once, so that no call makes a closure for it. */
interface LastWords {
  explain(error: unknown, call: Call): ProxyFailure;
  readonly lastWord: LastWord | undefined;
}

/** A call that will have a reply, whatever happens. */
class RescuedCall implements ReplyWaiter {
  readonly pending = new PendingReply();
  readonly #call: Call;
  readonly #words: LastWords;

  constructor(call: Call, words: LastWords) {
    this.#call = call;
    this.#words = words;
  }

  replied(reply: Reply): void {
    const call = this.#call;
    const { lastWord } = this.#words;
    if (!call.isGrpc || !isGrpcReply(reply)) this.pending.replied(reply);
    else if (!reply.endsWithHead) this.pending.replied(new RescuedReply(reply, call, this.#words));
    else this.pending.replied(lastWord === undefined ? reply : withFields(reply, lastWord(call, reply.fields)));
  }

  failed(error: unknown): void {
    const call = this.#call;
    const isHead = fieldValue(call.fields, ":method") === "HEAD";
    this.pending.replied(failureReply(this.#words.explain(error, call), call.isGrpc, isHead));
  }
}

/** An answer of something else than gRPC, as a load balancer's 503 page: the caller's library knows what it means. */
function isGrpcReply({ fields }: Reply): boolean {
  return fields[0]?.value === "200" && fieldValue(fields, "content-type")?.startsWith("application/grpc") !== false;
}

/** A reply whose body does not break off between messages: it ends with trailers that say why. */
class RescuedReply implements Reply, BodySource, BodySink {
  readonly fields: HeaderFields;
  readonly endsWithHead = false;
  readonly #reply: Reply;
  readonly #call: Call;
  readonly #words: LastWords;
  readonly #boundary = new MessageBoundary();
  #sink: BodySink | undefined = undefined;

  constructor(reply: Reply, call: Call, words: LastWords) {
    this.fields = reply.fields;
    this.#reply = reply;
    this.#call = call;
    this.#words = words;
  }

  get body(): BodySource {
    return this;
  }

  onEnd(listener: (outcome: Outcome) => void): void {
    this.#reply.onEnd(listener);
  }

  attach(sink: BodySink): void {
    this.#sink = sink;
    this.#reply.body.attach(this);
  }

  grant(bytes: number): void {
    this.#reply.body.grant(bytes);
  }

  cancel(code: ErrorCode): void {
    this.#reply.body.cancel(code);
  }

  data(chunk: Buffer, end: boolean): void {
    this.#boundary.pass(chunk);
    if (!end) {
      this.#sink?.data(chunk, false);
      return;
    }
    // gRPC ends with trailers; an end without them is an upstream that does not speak gRPC to the end.
    if (chunk.length > 0) this.#sink?.data(chunk, false);
    this.abort(new StreamError(ErrorCode.NO_ERROR, "peer", "reply ended without trailers"));
  }

  trailers(fields: HeaderFields): void {
    const { lastWord } = this.#words;
    this.#sink?.trailers(lastWord === undefined ? fields : lastWord(this.#call, fields));
  }

  abort(error: StreamError): void {
    const failure = this.#words.explain(error, this.#call);
    if (this.#boundary.isInside) this.#sink?.abort(new StreamError(codeFor(failure), "us", failure.message));
    else this.#sink?.trailers(failureTrailers(failure));
  }
}

/** A caller whose own deadline has passed reads CANCEL as that. */
function codeFor({ kind }: ProxyFailure): ErrorCode {
  return kind === "deadline_exceeded" || kind === "cancelled" ? ErrorCode.CANCEL : ErrorCode.INTERNAL_ERROR;
}
