// Where HTTP/2 meets the layers: each request becomes a call, goes through a stack, and its reply goes back out. Used
// by every listener. Knows how many calls are under way, which is what a drain waits for.

import { atDeadline } from "./as-failure.ts";
import type { Call, Reply } from "./call.ts";
import { CallsUnderWay } from "./calls-under-way.ts";
import { ProxyFailure } from "./failure.ts";
import { ErrorCode } from "./http2/error-code.ts";
import { HeaderField, type HeaderFields } from "./http2/header-field.ts";
import type { ServerStream } from "./http2/server.ts";
import type { ReplyWaiter } from "./pending-reply.ts";
import { type CallSources, ReceivedCall } from "./received-call.ts";
import type { Service } from "./stack.ts";

export interface CallServer {
  /** For a listener's `onRequest`. */
  serve(stream: ServerStream): void;
  /** Calls that have begun and not ended. */
  readonly inFlight: number;
  /** Ends every call that is under way; each caller is told why. */
  endAll(failure: ProxyFailure): void;
}

export interface ServeOptions {
  /** What is left of a request's header before anything reads it; default: all of it. */
  readonly acceptFields?: ((fields: HeaderFields) => HeaderFields) | undefined;
  /** Told of what went wrong where no layer could catch it; default: nobody is. */
  readonly reportDefect?: (error: unknown, requestId: string) => void;
}

export function serveCalls(service: Service<Call>, sources: CallSources, options: ServeOptions = {}): CallServer {
  const { acceptFields, reportDefect = () => {} } = options;
  const underWay = new CallsUnderWay();

  function serve(stream: ServerStream): void {
    const fields = acceptFields === undefined ? stream.fields : acceptFields(stream.fields);
    const call = new ReceivedCall(
      { fields, body: stream.request, endsWithHead: stream.endsWithHead, peer: undefined },
      sources,
    );
    underWay.add(call);
    // Nothing is asked of the backend first: it is the proxy that takes the body now, within its windows.
    if (call.expectsContinue) stream.respond(continueFields, false);
    call.informed = stream;
    stream.onClose(() => underWay.remove(call));
    stream.onAbort((error) => {
      call.informed = undefined;
      const gone = new ProxyFailure("cancelled", "", `caller went away: ${error.message}`);
      call.cancel(atDeadline(gone, call, sources.nowMs()));
    });
    service(call).tell(new Answer(stream, call, reportDefect));
  }

  return {
    serve,
    get inFlight() {
      return underWay.count;
    },
    endAll: (failure) => underWay.cancelAll(failure),
  };
}

const continueFields: HeaderFields = [new HeaderField(":status", "100")];

/** Where a call's reply goes: back out. */
class Answer implements ReplyWaiter {
  readonly #stream: ServerStream;
  readonly #call: ReceivedCall;
  readonly #reportDefect: (error: unknown, requestId: string) => void;

  constructor(stream: ServerStream, call: ReceivedCall, reportDefect: (error: unknown, requestId: string) => void) {
    this.#stream = stream;
    this.#call = call;
    this.#reportDefect = reportDefect;
  }

  replied(reply: Reply): void {
    // The stream is gone.
    if (this.#call.informed === undefined) {
      reply.body.cancel(ErrorCode.CANCEL);
      return;
    }
    this.#call.informed = undefined;
    this.#stream.respond(reply.fields, reply.endsWithHead);
    if (!reply.endsWithHead) this.#stream.sendBody(reply.body);
  }

  /** Behind `rescue` this is a defect. The caller must not hang for it. */
  failed(error: unknown): void {
    this.#reportDefect(error, this.#call.requestId);
    this.#stream.reset(ErrorCode.INTERNAL_ERROR);
  }
}
