// What a connection is made with, in either role: its socket, its limits and windows, and whom it tells. Used by
// connection.ts and by the two roles that wrap it (server.ts, client.ts).

import type { Socket } from "node:net";
import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { BufferedBytes } from "./buffered-bytes.ts";
import type { Limits } from "./limits.ts";
import type { Stream } from "./stream.ts";

/** What we let a peer send at first before it must wait for credit; see window-growth.ts and limits.ts for more. */
export interface Windows {
  readonly streamBytes: number;
  readonly connectionBytes: number;
}

/** One stalled stream holds at most a stream's window; four can send at full speed before credit has to come back. */
export const defaultWindows: Windows = { streamBytes: 262_144, connectionBytes: 1_048_576 };

export interface ConnectionParams {
  readonly socket: Socket;
  readonly isServer: boolean;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly windows: Windows;
  readonly random: Random;
  /** Where what waits is counted. */
  readonly buffers: BufferedBytes;
  readonly events: ConnectionEvents;
}

/** What the wrapping role is told. */
export interface ConnectionEvents {
  /** Server: a well-formed request. */
  request(stream: Stream): void;
  /** Server: a request whose header is over a limit; it is to be answered and not to be passed on. */
  tooLarge(stream: Stream): void;
  /** The peer's first SETTINGS came. */
  ready(): void;
  /** Client: a stream may have become free, by SETTINGS or by an end; `isRefusal`: the peer refused that stream. */
  slotFree(isRefusal?: boolean): void;
  /** Client: the peer sent GOAWAY. */
  draining(): void;
  /** We closed it, or told the peer to go, for this reason (ForcedClose in limits.ts, or a code's name). */
  forcedClose(reason: string, detail: string): void;
  /** We refused or reset one stream by a limit (StreamRefusal in limits.ts). */
  refused(reason: string): void;
  /** The socket is closed. */
  closed(): void;
}
