// One stream, in either role: a request and its response. Its receiving side is a BodySource, its sending side a
// BodySink, so relaying a message is one `attach`. Made by connection.ts, which calls `receive…` and `die`; used
// through the interfaces ServerStream (server.ts) and ClientStream (client.ts).
//
// Guarantees: HEADERS, DATA, trailers leave in that order and nothing after END_STREAM; what cannot leave waits in a
// queue bounded by what was granted to the source; a source is granted exactly what left; every listener is told once.
// Hot: one object per stream with all fields set in the constructor; no closure, promise or timer.

import { type BodySink, type BodySource, emptyBody } from "./body.ts";
import { ErrorCode, StreamError } from "./error-code.ts";
import { ReceiveWindow } from "./flow-control.ts";
import type { HeaderFields } from "./header-field.ts";
import type { ReplyListener } from "./reply-listener.ts";
import { SendQueue } from "./send-queue.ts";
import type { SendingStream } from "./sender.ts";
import type { StreamHost, StreamParams } from "./stream-params.ts";
import { afterEndReceived, afterEndSent, maySend, StreamState } from "./stream-state.ts";

export class Stream implements BodySource, BodySink, SendingStream {
  readonly id: number;
  readonly fields: HeaderFields;
  readonly endsWithHead: boolean;
  readonly request: BodySource;
  state: StreamState;
  // The sending side; sender.ts uses what SendingStream names.
  sendWindow: number;
  queue: SendQueue | undefined = undefined;
  nextReady: SendingStream | undefined = undefined;
  isReady = false;
  endsWithQueue = false;
  #trailersAfterQueue: HeaderFields | undefined = undefined;
  #source: BodySource | undefined = undefined;
  /** Octets of DATA that were sent. */
  sentBytes = 0;
  /** Where in the connection's output the request's HEADERS begin; for `neverProcessed`. */
  headAt = 0;
  // The receiving side; connection.ts checks these before it delivers.
  readonly receiveWindow: ReceiveWindow;
  /** What content-length still promises; -1 when it does not. */
  expectedBytes = -1;
  hasHead: boolean;
  /** The response to a HEAD request has a content-length but no content. */
  isHeadRequest = false;
  #sink: BodySink | undefined = undefined;
  #received: SendQueue | undefined = undefined;
  #receivedEnd = false;
  #receivedTrailers: HeaderFields | undefined = undefined;
  #isDiscarding = false;
  #failure: StreamError | undefined = undefined;
  readonly #host: StreamHost;
  readonly #listener: ReplyListener | undefined;
  #abortListeners: ((error: StreamError) => void)[] | undefined = undefined;
  #closeListeners: ((sentBytes: number) => void)[] | undefined = undefined;
  #abortError: StreamError | undefined = undefined;

  constructor(params: StreamParams) {
    const isServer = params.listener === undefined;
    this.id = params.id;
    this.fields = params.fields;
    this.endsWithHead = params.endsWithHead;
    this.request = params.endsWithHead ? emptyBody : this;
    this.state = StreamState.OPEN;
    if (params.endsWithHead) this.state = isServer ? StreamState.HALF_CLOSED_REMOTE : StreamState.HALF_CLOSED_LOCAL;
    this.sendWindow = params.sendWindow;
    this.receiveWindow = new ReceiveWindow(params.receiveWindow);
    this.hasHead = isServer;
    this.#receivedEnd = isServer && params.endsWithHead;
    this.#host = params.host;
    this.#listener = params.listener;
  }

  // --- What the server's side of a proxy calls (ServerStream) ---

  respond(fields: HeaderFields, end: boolean): void {
    if (!maySend(this.state)) return;
    this.#host.sender.headers(this.id, fields, end);
    if (end) this.#endSent();
  }

  sendBody(body: BodySource): void {
    if (!maySend(this.state)) {
      body.cancel(ErrorCode.CANCEL);
      return;
    }
    this.#source = body;
    body.attach(this);
  }

  reset(code: ErrorCode): void {
    if (this.state === StreamState.CLOSED) return;
    this.#host.resetStream(this, code);
    this.#die(new StreamError(code, "us", `stream ${this.id}: reset by us`), false);
  }

  onAbort(listener: (error: StreamError) => void): void {
    if (this.#abortError !== undefined) listener(this.#abortError);
    else if (this.#abortListeners === undefined) this.#abortListeners = [listener];
    else this.#abortListeners.push(listener);
  }

  onClose(listener: (sentBytes: number) => void): void {
    if (!maySend(this.state)) listener(this.sentBytes);
    else if (this.#closeListeners === undefined) this.#closeListeners = [listener];
    else this.#closeListeners.push(listener);
  }

  // --- The sending side as a sink ---

  data(chunk: Buffer, end: boolean): void {
    if (!maySend(this.state)) return;
    const length = chunk.length;
    const sender = this.#host.sender;
    let queue = this.queue;
    let sent = 0;
    if (queue === undefined || queue.length === 0) {
      if (length === 0) {
        if (!end) return;
        sender.endOfStream(this.id);
        this.#endSent();
        return;
      }
      sent = sender.data(this, chunk, end);
      this.sentBytes += sent;
      if (sent === length) {
        this.#source?.grant(sent);
        if (end) this.#endSent();
        return;
      }
    }
    queue ??= new SendQueue(this.#host.holding);
    this.queue = queue;
    queue.append(chunk, sent);
    this.endsWithQueue = end;
    if (this.sendWindow > 0) sender.ready(this);
    // Last: a source may push more when it is granted, which must queue behind this.
    if (sent > 0) this.#source?.grant(sent);
  }

  trailers(fields: HeaderFields): void {
    if (!maySend(this.state)) return;
    if (this.isWaiting) {
      this.#trailersAfterQueue = fields;
      return;
    }
    this.#host.sender.headers(this.id, fields, true);
    this.#endSent();
  }

  /** The source broke off. Whatever the reason: a caller that is gone is a cancel to the server. */
  abort(error: StreamError): void {
    if (!maySend(this.state)) return;
    const isCancel = error.code === ErrorCode.CANCEL || !this.#host.isServer;
    const code = isCancel ? ErrorCode.CANCEL : ErrorCode.INTERNAL_ERROR;
    this.#source = undefined;
    this.#host.resetStream(this, code);
    this.#die(new StreamError(code, "us", `stream ${this.id}: body broke off: ${error.message}`), false);
  }

  queueSent(bytes: number): void {
    this.sentBytes += bytes;
    const source = this.#source;
    if (this.endsWithQueue && !this.isWaiting) {
      this.#endSent();
    } else if (!this.isWaiting && this.#trailersAfterQueue !== undefined) {
      this.#host.sender.headers(this.id, this.#trailersAfterQueue, true);
      this.#endSent();
    }
    source?.grant(bytes);
  }

  /** Octets that wait, in either direction. */
  get heldBytes(): number {
    return (this.queue?.length ?? 0) + (this.#received?.length ?? 0);
  }

  get isWaiting(): boolean {
    return this.queue !== undefined && this.queue.length > 0;
  }

  /** The window grew (WINDOW_UPDATE) or moved (SETTINGS); the caller has checked it for overflow. */
  moveSendWindow(by: number): void {
    this.sendWindow += by;
    if (this.sendWindow > 0 && this.isWaiting) this.#host.sender.ready(this);
  }

  #endSent(): void {
    this.state = afterEndSent(this.state);
    if (!this.#host.isServer) {
      if (this.state === StreamState.CLOSED) this.#host.forgetStream(this);
      return;
    }
    if (this.state === StreamState.CLOSED) {
      this.#host.forgetStream(this);
    } else {
      // The response is complete and the request is not: nobody wants the rest (RFC 9113 section 8.1).
      this.state = StreamState.CLOSED;
      this.#host.resetStream(this, ErrorCode.NO_ERROR);
    }
    if (this.#hasUnread) {
      this.#breakOff(new StreamError(ErrorCode.NO_ERROR, "us", `stream ${this.id}: response was complete`));
    }
    this.#tellClosed();
  }

  // --- The receiving side as a source ---

  attach(sink: BodySink): void {
    if (this.#failure !== undefined) {
      sink.abort(this.#failure);
      return;
    }
    if (this.#isDiscarding) return;
    const received = this.#received;
    this.#received = undefined;
    this.#sink = sink;
    const endsWithData = this.#receivedEnd && this.#receivedTrailers === undefined;
    while (received !== undefined && received.length > 0) {
      const chunk = received.peek(received.length);
      const isLast = chunk.length === received.length;
      sink.data(chunk, isLast && endsWithData);
      if (this.#sink === sink) received.drop(chunk.length);
      else received.clear();
    }
    if (this.#sink !== sink) return;
    if (this.#receivedTrailers !== undefined) sink.trailers(this.#receivedTrailers);
    else if (endsWithData && received === undefined) sink.data(noBytes, true);
  }

  grant(bytes: number): void {
    if (this.#receivedEnd || this.#isDiscarding || this.state === StreamState.CLOSED) return;
    const increment = this.receiveWindow.release(bytes);
    if (increment > 0) this.#host.credit.announce(this.id, this.receiveWindow, increment);
  }

  /**
   * Of a response: RST_STREAM(code). Of a request: the rest is thrown away and the sender is told by RST_STREAM once
   * the response is complete, since a reset at once would take the response with it.
   */
  cancel(code: ErrorCode): void {
    this.#dropReceived();
    if (this.#host.isServer) {
      if (this.#receivedEnd) return;
      this.#isDiscarding = true;
      this.#sink = undefined;
      return;
    }
    if (this.state === StreamState.CLOSED) return;
    this.#host.resetStream(this, code);
    this.#die(new StreamError(code, "us", `stream ${this.id}: cancelled`), false);
  }

  // --- What connection.ts delivers, after it has checked it ---

  /** The source of a request that we send. */
  sendRequestBody(body: BodySource): void {
    this.#source = body;
    body.attach(this);
  }

  receiveInformational(fields: HeaderFields): void {
    this.#listener?.informational?.(fields);
  }

  receiveHead(fields: HeaderFields, end: boolean): void {
    this.hasHead = true;
    if (!end) {
      this.#listener?.head(fields, false, this);
      return;
    }
    this.#receivedEnd = true;
    this.state = afterEndReceived(this.state);
    this.#listener?.head(fields, true, emptyBody);
    this.#endReceived(undefined);
  }

  receiveData(chunk: Buffer, end: boolean): void {
    if (end) {
      this.#receivedEnd = true;
      this.state = afterEndReceived(this.state);
    }
    if (this.#sink !== undefined) {
      this.#sink.data(chunk, end);
    } else if (!this.#isDiscarding && (chunk.length > 0 || end)) {
      if (this.#received === undefined && chunk.length > 0) this.#received = new SendQueue(this.#host.holding);
      if (chunk.length > 0) this.#received?.append(chunk);
    }
    if (end) this.#endReceived(undefined);
  }

  receiveTrailers(fields: HeaderFields): void {
    this.#receivedEnd = true;
    this.state = afterEndReceived(this.state);
    if (this.#sink !== undefined) this.#sink.trailers(fields);
    else this.#receivedTrailers = fields;
    this.#endReceived(fields);
  }

  /** The stream ended for a reason that is not ours to choose: reset by the peer, broken rule, connection lost. */
  die(error: StreamError): void {
    if (this.state !== StreamState.CLOSED) this.#die(error, true);
  }

  #endReceived(trailers: HeaderFields | undefined): void {
    if (this.#host.isServer) {
      if (this.state === StreamState.CLOSED) this.#host.forgetStream(this);
      return;
    }
    if (this.state === StreamState.CLOSED) {
      this.#host.forgetStream(this);
    } else {
      // The response is complete while the request is not: nobody wants the rest.
      this.state = StreamState.CLOSED;
      this.#host.resetStream(this, ErrorCode.NO_ERROR);
      this.#dropOutgoing(ErrorCode.NO_ERROR);
    }
    if (this.#failure === undefined) this.#listener?.ended(trailers, undefined);
  }

  #die(error: StreamError, isPeers: boolean): void {
    const couldSend = maySend(this.state);
    this.state = StreamState.CLOSED;
    if (couldSend) this.#dropOutgoing(ErrorCode.CANCEL);
    if (this.#host.isServer) {
      if (isPeers) {
        this.#abortError = error;
        const listeners = this.#abortListeners;
        this.#abortListeners = undefined;
        if (listeners !== undefined) for (const listener of listeners) listener(error);
      }
      if (this.#hasUnread) this.#breakOff(error);
      this.#tellClosed();
      return;
    }
    if (this.#receivedEnd) return;
    if (this.hasHead) {
      this.#breakOff(error);
    } else {
      this.#failure = error;
      this.#listener?.failed(error);
    }
    this.#listener?.ended(undefined, error);
  }

  /** Nothing more is sent: drops what waits, and tells the source. */
  #dropOutgoing(code: ErrorCode): void {
    this.queue?.clear();
    this.#trailersAfterQueue = undefined;
    const source = this.#source;
    this.#source = undefined;
    source?.cancel(code);
  }

  /** Nothing more is received: drops what waits, and tells the sink, now or when one is attached. */
  #breakOff(error: StreamError): void {
    this.#failure = error;
    this.#dropReceived();
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.abort(error);
  }

  /** Of a request: more may come, or came and nobody took it. */
  get #hasUnread(): boolean {
    return this.#received !== undefined || (!this.#receivedEnd && !this.#isDiscarding);
  }

  #dropReceived(): void {
    this.#received?.clear();
    this.#received = undefined;
  }

  #tellClosed(): void {
    const listeners = this.#closeListeners;
    this.#closeListeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener(this.sentBytes);
  }
}

const noBytes: Buffer = Buffer.alloc(0);
