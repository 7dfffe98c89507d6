// Connects to an endpoint. A Dialer is what the pool is given, so that a TLS form can take its place.

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
  return async (host, port, timeoutMs, events) => {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
    const connection = new ClientConnection(socket, {
      ...options,
      clock,
      ...(events === undefined ? {} : { onAvailable: () => events.onAvailable() }),
    });
    let isTimedOut = false;
    const timer = clock.after(timeoutMs, () => {
      isTimedOut = true;
      connection.destroy();
    });
    try {
      await connection.ready();
      return connection;
    } catch (error) {
      const detail = isTimedOut ? `connect timed out after ${timeoutMs} ms` : (error as Error).message;
      const code = isTimedOut ? ErrorCode.SETTINGS_TIMEOUT : ErrorCode.CONNECT_ERROR;
      throw new StreamError(code, "connection", `${host}:${port}: ${detail}`, true);
    } finally {
      timer.cancel();
    }
  };
}
