// Connects to an endpoint, here in plaintext; tls-dial.ts is the TLS form behind the same type. A Dialer is what the
// pool is given, so it knows neither.

import { connect } from "node:net";
import type { Clock } from "../../common/clock.ts";
import { ClientConnection, type ClientConnectionOptions } from "../http2/client.ts";
import { ErrorCode, StreamError } from "../http2/error-code.ts";

/** What a connection tells whoever dialled it. */
export interface DialEvents {
  /** The connection may take more requests than before. */
  onAvailable(): void;
}

/**
 * Resolves with a connection whose peer has sent its SETTINGS. Rejects with StreamError(neverProcessed): its code is
 * SETTINGS_TIMEOUT when `timeoutMs` passed, else CONNECT_ERROR.
 */
export type Dialer = (host: string, port: number, timeoutMs: number, events?: DialEvents) => Promise<ClientConnection>;

export type DialOptions = Omit<ClientConnectionOptions, "clock" | "onAvailable">;

/** Dials in plaintext, with prior knowledge (RFC 9113 section 3.3). */
export function plaintextDialer(clock: Clock, options: DialOptions = {}): Dialer {
  return (host, port, timeoutMs, events) =>
    dialInTime(clock, { host, port, timeoutMs }, async (abandoned) => {
      const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
      const connection = new ClientConnection(socket, connectionOptions(clock, options, events));
      abandoned.addEventListener("abort", () => connection.destroy());
      await connection.ready();
      return connection;
    });
}

export interface DialTarget {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

/** Gives `begin` the target's time; then `abandoned` aborts and `begin` is to reject. Rejects as Dialer says. */
export async function dialInTime(
  clock: Clock,
  { host, port, timeoutMs }: DialTarget,
  begin: (abandoned: AbortSignal) => Promise<ClientConnection>,
): Promise<ClientConnection> {
  const abandon = new AbortController();
  const timer = clock.after(timeoutMs, () => abandon.abort());
  try {
    return await begin(abandon.signal);
  } catch (error) {
    const isTimedOut = abandon.signal.aborted;
    const detail = isTimedOut ? `connect timed out after ${timeoutMs} ms` : (error as Error).message;
    const code = isTimedOut ? ErrorCode.SETTINGS_TIMEOUT : ErrorCode.CONNECT_ERROR;
    throw new StreamError(code, "connection", `${host}:${port}: ${detail}`, true);
  } finally {
    timer.cancel();
  }
}

/** Options of the connection that a dial ends in. */
export function connectionOptions(
  clock: Clock,
  options: DialOptions,
  events: DialEvents | undefined,
): ClientConnectionOptions {
  return { ...options, clock, ...(events === undefined ? {} : { onAvailable: () => events.onAvailable() }) };
}
