// The connections to all endpoints, by host and port. A request goes onto a connection that has a stream free; when
// none has, a further connection is opened, up to a cap, and requests wait in line for it. Connections that drain or
// closed are forgotten; idle ones are closed after a while.
//
// A request that never got onto a connection fails with neverProcessed, so it may be sent elsewhere.

import type { Clock, Timer } from "../../common/clock.ts";
import type { BodySource } from "../http2/body.ts";
import type { ClientConnection, ClientStream, ReplyListener } from "../http2/client.ts";
import { ErrorCode, StreamError } from "../http2/error-code.ts";
import type { HeaderFields } from "../http2/header-field.ts";
import type { Dialer } from "./dial.ts";

export interface PoolOptions {
  readonly dial: Dialer;
  readonly clock: Clock;
  /** Per endpoint; default 16. */
  readonly maxConnections?: number;
  /** Requests that may wait for a connection, per endpoint; default 1024. */
  readonly maxWaiting?: number;
  /** A connection without streams is closed after this; default 300,000. */
  readonly idleMs?: number;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #hosts = new Map<string, Map<number, EndpointConnections>>();
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Connections that are open, to all endpoints. */
  get connections(): number {
    let count = 0;
    for (const ports of this.#hosts.values()) for (const endpoint of ports.values()) count += endpoint.connections;
    return count;
  }

  /** Sends a request to `host:port`. The listener is never called before this returns when the request has to wait. */
  request(
    host: string,
    port: number,
    connectTimeoutMs: number,
    fields: HeaderFields,
    body: BodySource | undefined,
    listener: ReplyListener,
  ): ClientStream {
    let ports = this.#hosts.get(host);
    if (ports === undefined) {
      ports = new Map();
      this.#hosts.set(host, ports);
    }
    let endpoint = ports.get(port);
    if (endpoint === undefined) {
      endpoint = new EndpointConnections(host, port, this.#options, () => this.#forget(host, port));
      ports.set(port, endpoint);
    }
    if (this.#isClosed) {
      const waiting = new WaitingRequest(fields, body, listener);
      waiting.fail(new StreamError(ErrorCode.REFUSED_STREAM, "us", "pool is closed", true));
      return waiting;
    }
    return endpoint.request(connectTimeoutMs, fields, body, listener);
  }

  /** No new requests; resolves when the streams that are open have ended and all connections are closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const endpoints = [...this.#hosts.values()].flatMap((ports) => [...ports.values()]);
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    this.#hosts.clear();
  }

  #forget(host: string, port: number): void {
    const ports = this.#hosts.get(host);
    ports?.delete(port);
    if (ports?.size === 0) this.#hosts.delete(host);
  }
}

/** The connections to one endpoint and the requests that wait for one. Forgotten when there is neither. */
class EndpointConnections {
  readonly #host: string;
  readonly #port: number;
  readonly #options: PoolOptions;
  #open: ClientConnection[] = [];
  readonly #closing = new Set<ClientConnection>();
  #dialling = 0;
  #waiting: WaitingRequest[] = [];
  #isClosed = false;
  #idleTimer: Timer | undefined = undefined;
  #usedSinceCheck = false;
  readonly #onEmpty: () => void;

  constructor(host: string, port: number, options: PoolOptions, onEmpty: () => void) {
    this.#onEmpty = onEmpty;
    this.#host = host;
    this.#port = port;
    this.#options = options;
  }

  get connections(): number {
    return this.#open.length;
  }

  request(
    connectTimeoutMs: number,
    fields: HeaderFields,
    body: BodySource | undefined,
    listener: ReplyListener,
  ): ClientStream {
    this.#usedSinceCheck = true;
    if (this.#waiting.length === 0) {
      const connection = this.#free();
      if (connection !== undefined) return start(connection, fields, body, listener);
    }
    const waiting = new WaitingRequest(fields, body, listener);
    const maxWaiting = this.#options.maxWaiting ?? 1024;
    // Who was cancelled meanwhile waits no more; else a flood of cancels would take every place.
    if (this.#waiting.length >= maxWaiting) this.#waiting = this.#waiting.filter(({ isDone }) => !isDone);
    if (this.#waiting.length >= maxWaiting) {
      const detail = `${this.#host}:${this.#port}: ${this.#waiting.length} requests wait for a connection already`;
      waiting.fail(new StreamError(ErrorCode.REFUSED_STREAM, "us", detail, true));
      return waiting;
    }
    this.#waiting.push(waiting);
    // A connection takes 100 streams or more; one is dialled per so many that wait.
    if (this.#dialling * 100 < this.#waiting.length) this.#dial(connectTimeoutMs);
    return waiting;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#idleTimer?.cancel();
    this.#failWaiting(new StreamError(ErrorCode.REFUSED_STREAM, "us", "pool is closed", true));
    await Promise.all([...this.#open, ...this.#closing].map((connection) => connection.drain()));
  }

  /** One that has refused its last stream only when no further one may be dialled, or `isLastResort`. */
  #free(isLastResort = this.#isFull): ClientConnection | undefined {
    let refusing: ClientConnection | undefined;
    for (let i = 0; i < this.#open.length; i++) {
      const connection = this.#open[i]!;
      if (connection.available === 0) continue;
      if (!connection.isRefusing) return connection;
      refusing ??= connection;
    }
    return isLastResort ? refusing : undefined;
  }

  get #isFull(): boolean {
    return this.#open.length + this.#dialling >= (this.#options.maxConnections ?? 16);
  }

  #dial(connectTimeoutMs: number): void {
    if (this.#isFull) return;
    this.#dialling++;
    const events = { onAvailable: () => this.#startWaiting() };
    this.#options.dial(this.#host, this.#port, connectTimeoutMs, events).then(
      (connection) => {
        this.#dialling--;
        this.#opened(connection);
      },
      (error: unknown) => {
        this.#dialling--;
        // Those that wait may still get onto a connection that there is.
        if (this.#dialling === 0 && this.#open.length === 0) this.#failWaiting(asStreamError(error));
        else this.#startWaiting(true);
        this.#checkEmpty();
      },
    );
  }

  #opened(connection: ClientConnection): void {
    if (this.#isClosed) {
      connection.destroy();
      return;
    }
    if (connection.state !== "open") {
      const detail = `${this.#host}:${this.#port}: went away as soon as it was connected`;
      if (this.#open.length === 0)
        this.#failWaiting(new StreamError(ErrorCode.CONNECT_ERROR, "connection", detail, true));
      this.#checkEmpty();
      return;
    }
    this.#open.push(connection);
    connection.onDraining(() => this.#retire(connection));
    connection.onClose(() => {
      this.#retire(connection);
      this.#closing.delete(connection);
      this.#checkEmpty();
    });
    this.#watchIdle();
    this.#startWaiting();
  }

  /** No more requests for this one. */
  #retire(connection: ClientConnection): void {
    const at = this.#open.indexOf(connection);
    if (at < 0) return;
    this.#open.splice(at, 1);
    this.#closing.add(connection);
    if (this.#waiting.length > 0 && this.#dialling === 0) this.#dial(retireDialTimeoutMs);
  }

  #checkEmpty(): void {
    if (this.#open.length + this.#closing.size + this.#dialling + this.#waiting.length > 0 || this.#isClosed) return;
    this.#idleTimer?.cancel();
    this.#idleTimer = undefined;
    this.#onEmpty();
  }

  #startWaiting(isLastResort?: boolean): void {
    while (this.#waiting.length > 0) {
      const connection = this.#free(isLastResort);
      if (connection === undefined) return;
      this.#waiting.shift()?.start(connection);
    }
  }

  #failWaiting(error: StreamError): void {
    for (const waiting of this.#waiting.splice(0)) waiting.fail(error);
  }

  /** Every `idleMs` closes connections that have had no streams since the last look. */
  #watchIdle(): void {
    if (this.#idleTimer !== undefined || this.#isClosed) return;
    this.#idleTimer = this.#options.clock.after(this.#options.idleMs ?? 300_000, () => {
      this.#idleTimer = undefined;
      const wasUsed = this.#usedSinceCheck;
      this.#usedSinceCheck = false;
      if (!wasUsed) {
        for (const connection of [...this.#open]) {
          if (connection.openStreams > 0) continue;
          this.#retire(connection);
          void connection.drain();
        }
      }
      if (this.#open.length > 0) this.#watchIdle();
    });
  }
}

/** A dial that no request's own timeout can be given for: the one that replaces a lost connection. */
const retireDialTimeoutMs = 1000;

/** A request that has no connection yet; afterwards it passes a cancel on. */
class WaitingRequest implements ClientStream {
  readonly #fields: HeaderFields;
  readonly #body: BodySource | undefined;
  readonly #listener: ReplyListener;
  #stream: ClientStream | undefined = undefined;
  /** It has failed or was cancelled. */
  isDone = false;

  constructor(fields: HeaderFields, body: BodySource | undefined, listener: ReplyListener) {
    this.#fields = fields;
    this.#body = body;
    this.#listener = listener;
  }

  start(connection: ClientConnection): void {
    if (this.isDone) return;
    this.#stream = start(connection, this.#fields, this.#body, this.#listener);
  }

  cancel(code: ErrorCode): void {
    if (this.#stream !== undefined) this.#stream.cancel(code);
    else this.fail(new StreamError(code, "us", "cancelled before it was sent", true));
  }

  fail(error: StreamError): void {
    if (this.isDone) return;
    this.isDone = true;
    this.#listener.failed(error);
    this.#listener.ended(undefined, error);
  }
}

/** Opens a stream; a refusal on our own side reaches the listener like any other failure. */
function start(
  connection: ClientConnection,
  fields: HeaderFields,
  body: BodySource | undefined,
  listener: ReplyListener,
): ClientStream {
  try {
    return connection.request(fields, body, listener);
  } catch (error) {
    const failed = new WaitingRequest(fields, body, listener);
    failed.fail(asStreamError(error));
    return failed;
  }
}

function asStreamError(error: unknown): StreamError {
  if (error instanceof StreamError) return error;
  throw error;
}
