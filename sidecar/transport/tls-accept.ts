// The server's side of TLS: turns accepted sockets into secured ones before HTTP/2 begins on them. Used by listen.ts
// for listeners that have `tls`.
//
// Guarantees: only `h2` is agreed on (RFC 9113 section 3.2) and TLS 1.2 or newer, without renegotiation (9.2.1); a
// handshake ends within its time whatever the peer sends; at most so many are under way; new material counts from the
// next handshake on and touches no open connection; every end by us has one reason.

import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Clock, Timer } from "../../common/clock.ts";
import { alpnProtocols, contextOptions, type TlsMaterial, type TlsSource } from "./tls-material.ts";
import { type PeerCertificate, peerCertificate } from "./tls-peer.ts";
import { tlsTrouble, tlsTroubleOfCode } from "./tls-trouble.ts";

export interface TlsListenOptions {
  readonly source: TlsSource;
  /**
   * `required`: a client shows a certificate that an authority in the material's `ca` has signed, or is closed. What it
   * showed is in RemoteConnection. Default `none`.
   */
  readonly clientCertificates?: "none" | "required";
  /** From accepting the socket to the end of the handshake; default 10,000. */
  readonly handshakeMs?: number;
  /** Handshakes under way, some 50 kB each; with one more the oldest is ended. Default 512. */
  readonly maxPendingHandshakes?: number;
}

/** Why we ended a connection for its TLS: the labels in metrics. MATERIAL ends none, it tells of what was refused. */
export const TlsClose = {
  TIMEOUT: "tls_handshake_timeout",
  QUEUE: "tls_handshake_queue",
  FAILED: "tls_handshake_failed",
  ALPN: "tls_alpn",
  CLIENT_CERTIFICATE: "tls_client_certificate",
  RENEGOTIATION: "tls_renegotiation",
  MATERIAL: "tls_material",
} as const;

interface PendingHandshake {
  readonly raw: Socket;
  readonly timer: Timer;
  readonly onSecured: (socket: TLSSocket, certificate: PeerCertificate | undefined) => void;
}

/** When the listener drains, handshakes under way have this long: their clients have sent no request yet. */
const drainHandshakeMs = 1000;

export class TlsAcceptor {
  readonly #options: TlsListenOptions;
  readonly #clock: Clock;
  readonly #onForcedClose: (reason: string, detail: string) => void;
  /** Never listens: it is handed sockets by its event `connection`. */
  readonly #server: Server;
  /** By the client's address and port, oldest first. */
  readonly #pending = new Map<string, PendingHandshake>();
  readonly #stopFollowing: () => void;
  readonly #drained: (() => void)[] = [];

  /** Throws when OpenSSL refuses the material that is current. */
  constructor(
    options: TlsListenOptions,
    clock: Clock,
    onForcedClose: (reason: string, detail: string) => void = () => {},
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#onForcedClose = onForcedClose;
    const isRequired = options.clientCertificates === "required";
    this.#server = createServer({
      ...contextOptions(materialOf(options)),
      ALPNProtocols: [...alpnProtocols],
      requestCert: isRequired,
      rejectUnauthorized: isRequired,
    });
    this.#server.on("secureConnection", (socket) => this.#secured(socket));
    this.#server.on("tlsClientError", (error, socket) => this.#failed(error, socket));
    this.#stopFollowing = options.source.onChange(() => this.#change());
  }

  /** Handshakes under way. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Takes over an accepted socket. `onSecured` comes at the end of a good handshake, else never. */
  accept(raw: Socket, onSecured: PendingHandshake["onSecured"]): void {
    raw.on("error", () => {});
    const key = keyOf(raw);
    if (key === undefined) {
      raw.destroy();
      return;
    }
    const { handshakeMs = 10_000, maxPendingHandshakes = 512 } = this.#options;
    if (this.#pending.size >= maxPendingHandshakes) {
      const [oldest = key] = this.#pending.keys();
      this.#close(oldest, TlsClose.QUEUE, `${maxPendingHandshakes} handshakes are under way, this is the oldest`);
    }
    const timer = this.#clock.after(handshakeMs, () => {
      this.#close(key, TlsClose.TIMEOUT, `TLS handshake took longer than ${handshakeMs} ms`);
    });
    this.#take(key);
    this.#pending.set(key, { raw, timer, onSecured });
    raw.once("close", () => {
      // The port may be another connection's by now.
      if (this.#pending.get(key)?.raw === raw) this.#take(key);
    });
    // A client that ends in the middle of its handshake is gone; HTTP/2 decides for itself, see #secured.
    raw.allowHalfOpen = false;
    this.#server.emit("connection", raw);
  }

  /** Resolves when no handshake is under way; slow ones are ended. The material is no longer followed. */
  drain(): Promise<void> {
    this.#stopFollowing();
    if (this.#pending.size === 0) return Promise.resolve();
    const timer = this.#clock.after(drainHandshakeMs, () => this.destroy());
    return new Promise((resolve) => {
      this.#drained.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Ends all handshakes that are under way. */
  destroy(): void {
    for (const { raw } of [...this.#pending.values()]) raw.destroy();
  }

  #take(key: string): PendingHandshake | undefined {
    const pending = this.#pending.get(key);
    if (pending === undefined) return undefined;
    pending.timer.cancel();
    this.#pending.delete(key);
    if (this.#pending.size === 0) for (const resolve of this.#drained.splice(0)) resolve();
    return pending;
  }

  #secured(socket: TLSSocket): void {
    // From here on errors are the socket's own, also while we close it.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ERR_TLS_RENEGOTIATION_DISABLED") return;
      this.#onForcedClose(TlsClose.RENEGOTIATION, "the client began a second handshake");
    });
    const key = keyOf(socket);
    const pending = key === undefined ? undefined : this.#pending.get(key);
    if (key === undefined || pending === undefined) {
      socket.destroy();
      return;
    }
    const certificate = peerCertificate(socket);
    if (socket.alpnProtocol !== "h2") {
      // A client that offers nothing by ALPN agrees on nothing, and the handshake is none the worse for it.
      this.#close(key, TlsClose.ALPN, "the client offers no ALPN");
    } else if (certificate === undefined && this.#options.clientCertificates === "required") {
      this.#close(key, TlsClose.CLIENT_CERTIFICATE, "client certificate: the resumed session shows none");
    } else {
      socket.allowHalfOpen = true;
      socket.disableRenegotiation();
      pending.onSecured(socket, certificate);
    }
    // Last, so that whoever drains finds the connection in one list or the other.
    this.#take(key);
  }

  #failed(error: Error, socket: TLSSocket): void {
    const { code } = error as NodeJS.ErrnoException;
    // Node has the code here, where its types promise an Error.
    const refused = socket.authorizationError as unknown as string | null;
    if (refused) this.#onForcedClose(TlsClose.CLIENT_CERTIFICATE, `client certificate: ${tlsTroubleOfCode(refused)}`);
    else if (code === "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE") {
      this.#onForcedClose(TlsClose.CLIENT_CERTIFICATE, `client certificate: ${tlsTrouble(error)}`);
    } else if (code === "ERR_SSL_NO_APPLICATION_PROTOCOL") this.#onForcedClose(TlsClose.ALPN, tlsTrouble(error));
    // Without a word from the peer it has gone, or we have ended it and told why.
    else if (code !== "ECONNRESET") this.#onForcedClose(TlsClose.FAILED, tlsTrouble(error));
    socket.destroy();
  }

  #close(key: string, reason: string, detail: string): void {
    this.#onForcedClose(reason, detail);
    this.#take(key)?.raw.destroy();
  }

  #change(): void {
    try {
      this.#server.setSecureContext(contextOptions(materialOf(this.#options)));
    } catch (error) {
      // The context in force stays. Sources check what they hand out, so this is a defect of one.
      this.#onForcedClose(TlsClose.MATERIAL, `new TLS material refused: ${tlsTrouble(error as Error)}`);
    }
  }
}

/** A server's `ca` is for clients' certificates; where they are not asked for, it would only be sent along. */
function materialOf({ source, clientCertificates }: TlsListenOptions): TlsMaterial {
  const { cert, key, ca } = source.current;
  if (clientCertificates !== "required") return { cert, key };
  // Without a list of its own Node would take every authority that browsers trust.
  if (ca === undefined) throw new Error("client certificates are required, and no authority is given for them");
  return { cert, key, ca };
}

function keyOf({ remoteAddress, remotePort }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`;
}
