// The client's side of TLS: a Dialer that secures its socket before HTTP/2 begins on it. Used in place of
// plaintextDialer (dial.ts) where upstreams speak TLS.
//
// Guarantees: the peer's certificate is from a trusted authority and for the name that was dialled, or passes the
// caller's own check; `h2` is agreed on by ALPN, before anything is sent; the dial's time covers TCP, TLS and SETTINGS.
// New material counts for the next dial; sessions of old material are not resumed.

import { isIP } from "node:net";
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import type { Clock } from "../../common/clock.ts";
import { ClientConnection } from "../http2/client.ts";
import { connectionOptions, type DialEvents, type Dialer, type DialOptions, dialInTime } from "./dial.ts";
import { TlsClose } from "./tls-accept.ts";
import { alpnProtocols, contextOptions, type DialMaterial, type TlsSource } from "./tls-material.ts";
import { type PeerCertificate, peerCertificate } from "./tls-peer.ts";
import { tlsTrouble } from "./tls-trouble.ts";

export interface TlsDialOptions extends DialOptions {
  /** Without `ca` the system's authorities are trusted; where it has none, those that come with Node. */
  readonly source: TlsSource<DialMaterial>;
  /** The name sent by SNI and looked for in the certificate. Default: the host that is dialled. */
  readonly serverName?: string;
  /**
   * Instead of looking for the name: says what is wrong with the certificate (whose authority is verified), or nothing.
   */
  readonly checkPeer?: (certificate: PeerCertificate, host: string, port: number) => string | undefined;
}

/** Endpoints whose last session is kept, to be resumed by the next connection. */
const maxSessions = 256;

/** Throws when OpenSSL refuses the material that is current. Follows `source` for as long as the process lives. */
export function tlsDialer(clock: Clock, options: TlsDialOptions): Dialer {
  const contexts = new DialContexts(options);
  return (host, port, timeoutMs, events) =>
    dialInTime(clock, { host, port, timeoutMs }, (abandoned) =>
      new TlsDial({ clock, options, contexts, host, port, events }).begin(abandoned),
    );
}

/** What a later connection to the same endpoint may go on with. */
interface KeptSession {
  readonly session: Buffer;
  /** Whose it is; a resumed session does not show it again. */
  readonly certificate: PeerCertificate;
}

/** The context for new connections, and the sessions that were made with it. */
class DialContexts {
  context: SecureContext;
  sessions = new Map<string, KeptSession>();

  constructor({ source, onForcedClose }: TlsDialOptions) {
    this.context = contextOf(source.current);
    source.onChange((material) => {
      try {
        this.context = contextOf(material);
        // A resumed session would still be the old identity, verified by the old authorities.
        this.sessions = new Map();
      } catch (error) {
        onForcedClose?.(TlsClose.MATERIAL, `new TLS material refused: ${tlsTrouble(error as Error)}`);
      }
    });
  }
}

function contextOf(material: DialMaterial): SecureContext {
  const options = contextOptions(material);
  if (material.ca !== undefined) return createSecureContext(options);
  const system = getCACertificates("system");
  return createSecureContext(system.length === 0 ? options : { ...options, ca: system });
}

interface TlsDialParams {
  readonly clock: Clock;
  readonly options: TlsDialOptions;
  readonly contexts: DialContexts;
  readonly host: string;
  readonly port: number;
  readonly events: DialEvents | undefined;
}

/** One dial. */
class TlsDial {
  readonly #params: TlsDialParams;
  readonly #name: string;
  readonly #kept: KeptSession | undefined;

  constructor(params: TlsDialParams) {
    this.#params = params;
    this.#name = params.options.serverName ?? params.host;
    this.#kept = params.contexts.sessions.get(`${params.host}:${params.port}`);
  }

  begin(abandoned: AbortSignal): Promise<ClientConnection> {
    const { clock, options, contexts, events } = this.#params;
    const { sessions } = contexts;
    const socket = this.#connect();
    abandoned.addEventListener("abort", () => socket.destroy());
    return new Promise((resolve, reject) => {
      let trouble = "closed before it answered";
      socket.on("error", (error) => {
        trouble = tlsTrouble(error);
      });
      // Also ends a dial whose handshake was good: a server refuses a certificate only after it.
      socket.once("close", () => reject(new Error(trouble)));
      socket.once("secureConnect", () => {
        const refusal = this.#refusal(socket);
        if (refusal !== undefined) {
          trouble = refusal;
          socket.destroy();
          return;
        }
        this.#keepSessions(socket, sessions);
        socket.disableRenegotiation();
        const connection = new ClientConnection(socket, connectionOptions(clock, options, events));
        connection.ready().then(() => resolve(connection), reject);
      });
    });
  }

  #connect(): TLSSocket {
    const { contexts, host, port } = this.#params;
    const wanted: ConnectionOptions & { allowHalfOpen: boolean } = {
      host,
      port,
      allowHalfOpen: true,
      secureContext: contexts.context,
      ALPNProtocols: [...alpnProtocols],
      // Looked at in #refusal.
      checkServerIdentity: () => undefined,
      ...(isIP(this.#name) === 0 ? { servername: this.#name } : {}),
      ...(this.#kept === undefined ? {} : { session: this.#kept.session }),
    };
    const socket = connect(wanted);
    socket.setNoDelay(true);
    return socket;
  }

  /** Of a peer that was found right. `sessions` are those of this dial's material, also when it has changed since. */
  #keepSessions(socket: TLSSocket, sessions: Map<string, KeptSession>): void {
    const key = `${this.#params.host}:${this.#params.port}`;
    socket.on("session", (session) => {
      const certificate = this.#certificateOf(socket);
      if (certificate === undefined) return;
      sessions.delete(key);
      const [oldest = key] = sessions.keys();
      if (sessions.size >= maxSessions) sessions.delete(oldest);
      sessions.set(key, { session, certificate });
    });
  }

  #certificateOf(socket: TLSSocket): PeerCertificate | undefined {
    return socket.isSessionReused() ? this.#kept?.certificate : peerCertificate(socket);
  }

  /** Why this peer, whose certificate an authority of ours has signed, is not the one we want. */
  #refusal(socket: TLSSocket): string | undefined {
    const { options, host, port } = this.#params;
    if (socket.alpnProtocol !== "h2") return "it does not take HTTP/2 over TLS (ALPN h2)";
    if (options.checkPeer !== undefined) {
      const certificate = this.#certificateOf(socket);
      return certificate === undefined ? "it showed no certificate" : options.checkPeer(certificate, host, port);
    }
    // The name was looked for when the session was made.
    if (socket.isSessionReused()) return undefined;
    const wrong = checkServerIdentity(this.#name, socket.getPeerCertificate());
    return wrong === undefined ? undefined : tlsTrouble(wrong);
  }
}
