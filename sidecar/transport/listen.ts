// Listens for HTTP/2 connections, plaintext or TLS (tls-accept.ts), and hands their requests to one handler. Used for
// every port of a sidecar. Keeps the connections so that it can drain them.

import { createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { BufferedBytes } from "../http2/buffered-bytes.ts";
import type { Windows } from "../http2/connection-params.ts";
import { ErrorCode } from "../http2/error-code.ts";
import { defaultLimits, ForcedClose, type Limits } from "../http2/limits.ts";
import { ServerConnection, type ServerStream } from "../http2/server.ts";
import { ClientAddresses } from "./client-addresses.ts";
import { TlsAcceptor, type TlsListenOptions } from "./tls-accept.ts";
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
  const open = new Set<ServerConnection>();
  const limits = { ...defaultLimits, ...options.limits };
  const tls =
    options.tls === undefined
      ? undefined
      : new TlsAcceptor({ handshakeMs: limits.handshakeMs, ...options.tls }, options.clock, options.onForcedClose);
  const addresses = new ClientAddresses(limits.maxConnectionsPerAddress);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (!enter(socket, addresses)) {
      const detail = `${socket.remoteAddress}: ${limits.maxConnectionsPerAddress} connections already`;
      options.onForcedClose?.(ForcedClose.CONNECTIONS_PER_ADDRESS, detail);
      return;
    }
    if (tls === undefined) accept(socket, options, open);
    else tls.accept(socket, (secured, certificate) => accept(secured, options, open, certificate));
  });
  server.maxConnections = limits.maxConnections;
  server.on("drop", () => {
    options.onForcedClose?.(ForcedClose.CONNECTIONS, `${limits.maxConnections} connections already`);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.host, port: options.port, backlog: 1024 }, () => {
      server.off("error", reject);
      // Errors of accept (as EMFILE) concern one connection, which is dropped.
      server.on("error", () => {});
      resolve(new Listener({ server, tls, clock: options.clock, open }));
    });
  });
}

/** Counts the socket under its client's address until it is closed, or closes it. */
function enter(socket: Socket, addresses: ClientAddresses): boolean {
  const address = socket.remoteAddress ?? "";
  if (!addresses.enter(address)) {
    socket.on("error", () => {});
    socket.destroy();
    return false;
  }
  socket.on("close", () => addresses.leave(address));
  return true;
}

function accept(
  socket: Socket,
  options: ListenOptions,
  open: Set<ServerConnection>,
  certificate?: PeerCertificate,
): void {
  const remoteAddress = `${socket.remoteAddress}:${socket.remotePort}`;
  const remote: RemoteConnection = certificate === undefined ? { remoteAddress } : { remoteAddress, certificate };
  const connection = new ServerConnection(socket, {
    clock: options.clock,
    onRequest: (stream) => options.onRequest(stream, remote),
    onClose: () => open.delete(connection),
    ...(options.onTooLarge === undefined ? {} : { onTooLarge: options.onTooLarge }),
    ...(options.onForcedClose === undefined ? {} : { onForcedClose: options.onForcedClose }),
    ...(options.onRefused === undefined ? {} : { onRefused: options.onRefused }),
    ...(options.buffers === undefined ? {} : { buffers: options.buffers }),
    ...(options.random === undefined ? {} : { random: options.random }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.windows === undefined ? {} : { windows: options.windows }),
  });
  open.add(connection);
}

interface ListenerParts {
  readonly server: Server;
  readonly tls: TlsAcceptor | undefined;
  readonly clock: Clock;
  readonly open: Set<ServerConnection>;
}

class Listener implements Listening {
  readonly host: string;
  readonly port: number;
  readonly #server: Server;
  readonly #tls: TlsAcceptor | undefined;
  readonly #clock: Clock;
  readonly #open: Set<ServerConnection>;

  constructor({ server, tls, clock, open }: ListenerParts) {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error(`listening at ${address}, not at a port`);
    this.host = address.address;
    this.port = address.port;
    this.#server = server;
    this.#tls = tls;
    this.#clock = clock;
    this.#open = open;
  }

  get connections(): number {
    return this.#open.size;
  }

  close(): Promise<void> {
    // node:net's own callback waits for the connections too; the port is free at once.
    this.#server.close();
    return Promise.resolve();
  }

  async drain(graceMs: number): Promise<void> {
    await this.close();
    const timer = this.#clock.after(graceMs, () => {
      for (const connection of this.#open) {
        connection.destroy(ErrorCode.NO_ERROR, `drain took more than ${graceMs} ms`, ForcedClose.DRAIN_TIMEOUT);
      }
      this.#tls?.destroy();
    });
    const drainOpen = () => Promise.all([...this.#open].map((connection) => connection.drain()));
    // A handshake that is under way ends in a connection that is told to go away at once.
    await Promise.all([drainOpen(), this.#tls?.drain().then(drainOpen)]);
    timer.cancel();
  }
}
