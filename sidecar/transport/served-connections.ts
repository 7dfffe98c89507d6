// The connections of one listener that are served in this process: takes accepted sockets, secures them where the
// listener has TLS, hands their requests to one handler, and ends them in peace. Used by listen.ts, and by a worker for
// sockets that another process accepted.

import type { Socket } from "node:net";
import { ErrorCode } from "../http2/error-code.ts";
import { defaultLimits, ForcedClose } from "../http2/limits.ts";
import { ServerConnection } from "../http2/server.ts";
import type { ListenOptions, RemoteConnection } from "./listen.ts";
import { TlsAcceptor } from "./tls-accept.ts";
import type { PeerCertificate } from "./tls-peer.ts";

export class ServedConnections {
  readonly #options: ListenOptions;
  readonly #tls: TlsAcceptor | undefined;
  readonly #open = new Set<ServerConnection>();
  /** Of the open ones those that `retire` chose. */
  readonly #leaving = new Set<ServerConnection>();

  /** Throws when OpenSSL refuses the TLS material that is current. */
  constructor(options: ListenOptions) {
    const { tls, clock, onForcedClose, limits } = options;
    const { handshakeMs } = { ...defaultLimits, ...limits };
    this.#options = options;
    this.#tls = tls && new TlsAcceptor({ handshakeMs, ...tls }, clock, onForcedClose);
  }

  /** Secured and open now. */
  get size(): number {
    return this.#open.size;
  }

  /** Told to go away by `retire`, and still open. */
  get leaving(): number {
    return this.#leaving.size;
  }

  take(socket: Socket): void {
    if (this.#tls === undefined) this.#serve(socket);
    else this.#tls.accept(socket, (secured, certificate) => this.#serve(secured, certificate));
  }

  /** Tells all connections to go away, and resolves when they have; after `graceMs` they are closed. */
  async drain(graceMs: number): Promise<void> {
    const timer = this.#options.clock.after(graceMs, () => {
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

  /**
   * Lets up to `count` connections go in peace, those with the fewest streams first: GOAWAY, and what is under way ends
   * as it would have. Returns how many.
   */
  retire(count: number, reason: string, detail: string): number {
    const staying = [...this.#open].filter((connection) => !connection.isDraining);
    const chosen = staying.sort((a, b) => a.openStreams - b.openStreams).slice(0, count);
    for (const connection of chosen) {
      this.#leaving.add(connection);
      connection.retire(reason, detail);
    }
    return chosen.length;
  }

  #serve(socket: Socket, certificate?: PeerCertificate): void {
    const options = this.#options;
    const remoteAddress = `${socket.remoteAddress}:${socket.remotePort}`;
    const remote: RemoteConnection = certificate === undefined ? { remoteAddress } : { remoteAddress, certificate };
    const connection = new ServerConnection(socket, {
      clock: options.clock,
      onRequest: (stream) => options.onRequest(stream, remote),
      onClose: () => {
        this.#open.delete(connection);
        this.#leaving.delete(connection);
      },
      ...(options.onTooLarge === undefined ? {} : { onTooLarge: options.onTooLarge }),
      ...(options.onForcedClose === undefined ? {} : { onForcedClose: options.onForcedClose }),
      ...(options.onRefused === undefined ? {} : { onRefused: options.onRefused }),
      ...(options.buffers === undefined ? {} : { buffers: options.buffers }),
      ...(options.random === undefined ? {} : { random: options.random }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(options.windows === undefined ? {} : { windows: options.windows }),
    });
    this.#open.add(connection);
  }
}
