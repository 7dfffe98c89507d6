// A call as a listener received it: the request's header read once, and the one place where its cancellation lives.
// Made by serve-calls.ts for every request. Hot: runs once per call.

import type { Call, CallNotes, PeerIdentity } from "./call.ts";
import type { UnderWay } from "./calls-under-way.ts";
import type { ProxyFailure } from "./failure.ts";
import { FieldRole, roleOf } from "./field-role.ts";
import { parseGrpcTimeout } from "./grpc/timeout.ts";
import type { BodySource } from "./http2/body.ts";
import type { HeaderFields } from "./http2/header-field.ts";
import type { ServerStream } from "./http2/server.ts";
import { type Priority, parsePriority } from "./priority.ts";
import { childContext, type TraceContext } from "./telemetry/trace-context.ts";

/** What a request brings, without the connection it came on. */
export interface ReceivedRequest {
  readonly fields: HeaderFields;
  readonly body: BodySource;
  readonly endsWithHead: boolean;
  readonly peer: PeerIdentity | undefined;
}

/** Where a call's ids and times come from. */
export interface CallSources {
  nowMs(): number;
  randomHex(bytes: number): string;
  /** Whether a trace that begins here is recorded. */
  sampleNew(): boolean;
}

export class ReceivedCall implements Call, UnderWay {
  readonly path: string;
  readonly authority: string;
  readonly fields: HeaderFields;
  readonly body: BodySource;
  readonly endsWithHead: boolean;
  readonly isGrpc: boolean;
  readonly receivedAtMs: number;
  /** NaN when `grpc-timeout` is malformed; the deadline layer refuses such a call. */
  readonly deadlineAtMs: number;
  readonly trace: TraceContext;
  readonly peer: PeerIdentity | undefined;
  readonly previousAttempts: number;
  readonly priority: Priority;
  readonly source: string;
  readonly requestId: string;
  /** The caller waits for 100 before it sends its body (RFC 9110 section 10.1.1). */
  readonly expectsContinue: boolean;
  readonly notes: CallNotes = {
    route: undefined,
    endpoint: undefined,
    attempts: 0,
    hedges: 0,
    alsoFailedAt: undefined,
    latency: undefined,
    triedAtMs: 0,
    decisions: undefined,
  };
  before: UnderWay = this;
  after: UnderWay = this;
  #cancelled: ProxyFailure | undefined = undefined;
  /** Where informational responses go until the reply begins: the stream itself, since a closure for it cost much. */
  informed: Pick<ServerStream, "respond"> | undefined = undefined;
  // One field for the first: most calls have few, and an array holds seventeen.
  #listener: ((failure: ProxyFailure) => void) | undefined = undefined;
  #others: ((failure: ProxyFailure) => void)[] | undefined = undefined;

  constructor(request: ReceivedRequest, sources: CallSources) {
    let path = "";
    let authority = "";
    let host = "";
    let contentType = "";
    let timeout: string | undefined;
    let traceparent: string | undefined;
    let attempts: string | undefined;
    let priority = "";
    let source = "";
    let requestId = "";
    let expects = false;
    const fields = request.fields;
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]!;
      const { value } = field;
      switch (roleOf(field)) {
        case FieldRole.PATH:
          path = value;
          break;
        case FieldRole.AUTHORITY:
          authority = value;
          break;
        case FieldRole.HOST:
          host = value;
          break;
        case FieldRole.CONTENT_TYPE:
          contentType = value;
          break;
        case FieldRole.GRPC_TIMEOUT:
          timeout = value;
          break;
        case FieldRole.TRACEPARENT:
          traceparent = value;
          break;
        case FieldRole.PREVIOUS_ATTEMPTS:
          attempts = value;
          break;
        case FieldRole.EXPECT:
          expects = value.toLowerCase() === "100-continue";
          break;
        case FieldRole.REQUEST_ID:
          requestId = value;
          break;
        case FieldRole.PRIORITY:
          priority = value;
          break;
        case FieldRole.SOURCE:
          source = value;
          break;
      }
    }
    this.path = path;
    this.expectsContinue = expects && !request.endsWithHead;
    this.authority = authority === "" ? host : authority;
    this.fields = fields;
    this.body = request.body;
    this.endsWithHead = request.endsWithHead;
    this.isGrpc = isGrpcContentType(contentType);
    this.receivedAtMs = sources.nowMs();
    this.deadlineAtMs =
      timeout === undefined ? Number.POSITIVE_INFINITY : this.receivedAtMs + (parseGrpcTimeout(timeout) ?? Number.NaN);
    this.trace = childContext(traceparent, sources.randomHex, sources.sampleNew);
    this.peer = request.peer;
    this.previousAttempts = attempts !== undefined && /^\d{1,6}$/.test(attempts) ? Number(attempts) : 0;
    this.priority = parsePriority(priority);
    this.source = source;
    this.requestId = requestId === "" ? sources.randomHex(16) : requestId;
  }

  inform(fields: HeaderFields): void {
    this.informed?.respond(fields, false);
  }

  get cancelled(): ProxyFailure | undefined {
    return this.#cancelled;
  }

  cancel(failure: ProxyFailure): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = failure;
    this.#listener?.(failure);
    if (this.#others !== undefined) for (const listener of this.#others) listener(failure);
  }

  onCancel(listener: (failure: ProxyFailure) => void): void {
    if (this.#cancelled !== undefined) listener(this.#cancelled);
    else if (this.#listener === undefined) this.#listener = listener;
    else if (this.#others === undefined) this.#others = [listener];
    else this.#others.push(listener);
  }
}

/** application/grpc, application/grpc+proto, application/grpc;… but not application/grpc-web. */
export function isGrpcContentType(contentType: string): boolean {
  if (!contentType.startsWith("application/grpc")) return false;
  const next = contentType.charCodeAt(16);
  return Number.isNaN(next) || next === 0x2b /* + */ || next === 0x3b /* ; */ || next === 0x20;
}
