// Listens for HTTP/2 connections, plaintext or TLS, and hands their requests to one handler. Used for every port of a
// sidecar that serves its connections itself: accept-sockets.ts opens the port, served-connections.ts does the rest.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { BufferedBytes } from "../http2/buffered-bytes.ts";
import type { Windows } from "../http2/connection-params.ts";
import { defaultLimits, type Limits } from "../http2/limits.ts";
import type { ServerStream } from "../http2/server.ts";
import { acceptSockets } from "./accept-sockets.ts";
import { ServedConnections } from "./served-connections.ts";
import type { TlsListenOptions } from "./tls-accept.ts";
import type { PeerCertificate } from "./tls-peer.ts";

/** Where a request came from. */
export interface RemoteConnection {
  /** As `127.0.0.1:40312`. */
  readonly remoteAddress: string;
  /** What the client proved, on a listener whose `tls` requires client certificates. */
  readonly certificate?: PeerCertificate;
}

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly onRequest: (stream: ServerStream, connection: RemoteConnection) => void;
  readonly clock: Clock;
  /** Answers requests whose header is over a limit, as in ServerConnectionOptions. */
  readonly onTooLarge?: (stream: ServerStream) => void;
  /** A connection was closed by us, for this reason (ForcedClose in http2/limits.ts). */
  readonly onForcedClose?: (reason: string, detail: string) => void;
  /** One stream was refused or reset by a limit, for this reason (StreamRefusal in http2/limits.ts). */
  readonly onRefused?: (reason: string) => void;
  /** Instead of the defaults of http2/limits.ts, those of the listener itself included. */
  readonly limits?: Partial<Limits>;
  readonly windows?: Partial<Windows>;
  /** Where what waits is counted, and what spreads ages; default: the process's. */
  readonly buffers?: BufferedBytes;
  readonly random?: Random;
  /** Takes TLS and nothing else. */
  readonly tls?: TlsListenOptions;
}

export interface Listening {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** Stops accepting; open connections go on. Resolves when the port is free. */
  close(): Promise<void>;
  /**
   * Stops accepting, tells all connections to go away, and resolves when they have; after `graceMs` they are closed.
   */
  drain(graceMs: number): Promise<void>;
}

/** Rejects with the operating system's error, as EADDRINUSE, or OpenSSL's about the TLS material, untouched. */
export async function listenHttp2(options: ListenOptions): Promise<Listening> {
  const { host, port, limits, onForcedClose } = options;
  const served = new ServedConnections(options);
  const accepting = await acceptSockets({
    host,
    port,
    limits: { ...defaultLimits, ...limits },
    ...(onForcedClose !== undefined && { onForcedClose }),
    onSocket(socket, leave) {
      socket.on("close", leave);
      served.take(socket);
    },
  });
  return {
    host: accepting.host,
    port: accepting.port,
    get connections() {
      return served.size;
    },
    async close() {
      accepting.close();
    },
    async drain(graceMs) {
      accepting.close();
      await served.drain(graceMs);
    },
  };
}
