// One connection to NATS, from its greeting to its end. Opened by nats-link.ts, which opens the next one when it ends:
// the client's own reconnecting would keep records in a buffer and send them behind our back when the server returns.
// Guarantees: a session exists only with a server that can do all we need and a stream that keeps our promises.

import { JetStreamApiError, type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { type ConnectionOptions, connect, type NatsConnection } from "nats";
import type { Clock } from "../../../common/clock.ts";
import { AppendPipeline } from "./append-pipeline.ts";
import { LogRefused, reasonOf, unavailable } from "./log-refused.ts";
import type { NatsAddress } from "./nats-address.ts";
import { applyStream, planStream } from "./plan-stream.ts";
import { missingInServer, withoutJetStream } from "./server-check.ts";
import { brokenPromises, type StreamChoice } from "./stream-settings.ts";

export interface SessionOptions {
  readonly address: NatsAddress;
  /** The content of a credentials file. */
  readonly credentials?: Uint8Array;
  readonly stream: StreamChoice;
  readonly clock: Clock;
  /** How long one request to the server may take. */
  readonly giveUpAfterMs: number;
}

export interface Session {
  readonly connection: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly appends: AppendPipeline;
  /** Resolves with the reason when the connection is gone. */
  readonly ended: Promise<string>;
  /** Calls back when it ends; the function it gives takes the listener away. */
  onEnd(listener: (reason: string) => void): () => void;
  close(): Promise<void>;
}

/** A dead server is noticed after two of these at the latest; its closed socket at once. */
const PING_INTERVAL_MS = 5000;

/** `mayMakeStream`: only when a process starts; a stream that vanishes later is a loss, not a beginning. */
export async function openSession(options: SessionOptions, mayMakeStream: boolean): Promise<Session> {
  const where = whereOf(options);
  const connection = await connectTo(options);
  try {
    const missing = missingInServer(connection.info ?? { version: "unknown" });
    if (missing !== undefined) throw new LogRefused(`${where}: ${missing}`);
    const jsm = await jetstreamManager(connection, { timeout: options.giveUpAfterMs, checkAPI: false });
    await checkStream(jsm, options, mayMakeStream);
    return startSession(options, connection, jsm);
  } catch (error) {
    await connection.close();
    throw explained(where, error);
  }
}

/** For messages; without secrets. */
export function whereOf({ address, stream }: Pick<SessionOptions, "address" | "stream">): string {
  return `event log ${address.shown}, stream ${stream.name}`;
}

/** A connection that does not reconnect. Throws LogUnavailable or LogRefused. */
export async function connectTo(options: Omit<SessionOptions, "clock">): Promise<NatsConnection> {
  const { address, credentials, giveUpAfterMs } = options;
  const { user, pass, token } = address;
  const { credsAuthenticator } = await import("nats");
  const connecting: ConnectionOptions = {
    servers: [...address.servers],
    name: `ferry-events-${process.pid}`,
    timeout: giveUpAfterMs,
    reconnect: false,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(address.isTls ? { tls: {} } : {}),
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(token === undefined ? {} : { token }),
    ...(credentials === undefined ? {} : { authenticator: credsAuthenticator(credentials) }),
  };
  try {
    return await connect(connecting);
  } catch (error) {
    throw explained(whereOf(options), error);
  }
}

async function checkStream(jsm: JetStreamManager, options: SessionOptions, mayMakeStream: boolean): Promise<void> {
  const { stream } = options;
  let plan = await planStream(jsm, stream);
  if (plan.actual === undefined) {
    if (!mayMakeStream) {
      throw new LogRefused(
        `${whereOf(options)}: the stream is gone; restore it, or make an empty one with \`ferry events apply\``,
      );
    }
    await makeStream(jsm, stream);
    plan = await planStream(jsm, stream);
  }
  const broken = brokenPromises(plan.actual ?? {}, stream);
  if (broken !== undefined) throw new LogRefused(`event log ${options.address.shown}, ${broken}`);
}

/** Another process may make it in the same moment with other numbers; that is settled by looking at it afterwards. */
async function makeStream(jsm: JetStreamManager, stream: StreamChoice): Promise<void> {
  try {
    await applyStream(jsm, stream, { actual: undefined, differences: [] });
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.code === STREAM_NAME_IN_USE)) throw error;
  }
}

const STREAM_NAME_IN_USE = 10058;
const NO_RESOURCES = [10023, 10028, 10047];
const NOT_ENABLED = [10039, 10076];

/** What the NATS client threw: LogRefused for what only a person can change, LogUnavailable for everything else. */
export function explained(where: string, error: unknown): unknown {
  if (error instanceof LogRefused) return error;
  const code = error instanceof JetStreamApiError ? error.code : 0;
  const names = [error, error instanceof Error ? error.cause : undefined].map((e) =>
    e instanceof Error ? e.name : "",
  );
  if (NOT_ENABLED.includes(code)) return new LogRefused(`${where}: ${withoutJetStream}`, { cause: error });
  if (NO_RESOURCES.includes(code)) {
    const advice = "lower FERRY_EVENTS_MAX_BYTES or FERRY_EVENTS_REPLICAS, or give the server more room";
    return new LogRefused(`${where}: ${reasonOf(error)} (${code}); ${advice}`, { cause: error });
  }
  if (names.includes("AuthorizationError") || names.includes("UserAuthenticationExpiredError")) {
    const advice = "give a user and password in NATS_URL, or a file in NATS_CREDS";
    return new LogRefused(`${where}: the server does not let us in (${reasonOf(error)}); ${advice}`, { cause: error });
  }
  const tls = tlsTrouble(error);
  if (tls !== undefined) return new LogRefused(`${where}: ${tls}`, { cause: error });
  if (names.includes("PermissionViolationError")) {
    return new LogRefused(`${where}: the NATS user lacks a permission: ${reasonOf(error)}`, { cause: error });
  }
  return unavailable(where, error);
}

function tlsTrouble(error: unknown): string | undefined {
  const reason = reasonOf(error);
  if (reason.includes("does not support 'tls'")) {
    return "the server does not speak TLS; write nats:// instead of tls:// in NATS_URL";
  }
  const causes = [error, error instanceof Error ? error.cause : undefined];
  const codes = causes.map((e) => (e instanceof Error && "code" in e ? String(e.code) : ""));
  if (!codes.some((code) => /CERT|SIGNATURE/.test(code))) return undefined;
  return `the server's certificate is not good (${reason}); name its authority's file in NODE_EXTRA_CA_CERTS`;
}

function startSession(options: SessionOptions, connection: NatsConnection, jsm: JetStreamManager): Session {
  const { clock, giveUpAfterMs } = options;
  const appends = new AppendPipeline({ connection, clock, where: whereOf(options), giveUpAfterMs });
  const listeners = new Set<(reason: string) => void>();
  const ended = connection.closed().then((error) => {
    const reason = error instanceof Error ? `the connection was lost (${reasonOf(error)})` : "the connection was lost";
    appends.end(reason);
    for (const listener of listeners) listener(reason);
    return reason;
  });
  void watchPermissions(connection, appends);
  return {
    connection,
    jsm,
    appends,
    ended,
    onEnd(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => connection.close(),
  };
}

/** Ends with the connection. */
async function watchPermissions(connection: NatsConnection, appends: AppendPipeline): Promise<void> {
  const { PermissionViolationError } = await import("nats");
  for await (const status of connection.status()) {
    if (status.type !== "error" || !(status.error instanceof PermissionViolationError)) continue;
    if (status.error.operation === "publish") appends.forbid(status.error.subject);
  }
}
