// What the tests of TLS share: certificates of one authority, made once a process and kept in memory, a listener on
// loopback that answers every request by itself, and a raw TLS client that says how it went.

import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { systemClock } from "../../../common/clock.ts";
import { makeAuthority, makeCertificate, type TestingCertificate } from "../../../common/testing/make-certificate.ts";
import { HeaderField } from "../../http2/header-field.ts";
import { type Listening, type ListenOptions, listenHttp2, type RemoteConnection } from "../listen.ts";
import type { TlsListenOptions } from "../tls-accept.ts";
import { ChangingMaterial, type TlsMaterial } from "../tls-material.ts";

export const authority: TestingCertificate = makeAuthority("authority of the tests");
export const strangeAuthority: TestingCertificate = makeAuthority("authority of others");

/** A server's certificate for 127.0.0.1 and localhost. */
export function serverMaterial(commonName = "server", signer: TestingCertificate = authority): TlsMaterial {
  return makeCertificate({ commonName, dns: ["localhost"], ips: ["127.0.0.1"] }, signer);
}

/** As `client:<name>`, with a SPIFFE id. */
export function clientMaterial(name: string, signer: TestingCertificate = authority): TlsMaterial {
  const uris = [`spiffe://test/ns/default/dc/dc1/svc/${name}`];
  return makeCertificate({ commonName: name, uris }, signer);
}

export interface TlsListener {
  readonly listening: Listening;
  readonly material: ChangingMaterial;
  /** Reason and detail of each forced close. */
  readonly closes: string[];
  /** Of each request. */
  readonly remotes: RemoteConnection[];
}

/** Answers 200 without a body. */
export async function listenTls(
  tls: Partial<TlsListenOptions> = {},
  options: Partial<ListenOptions> = {},
): Promise<TlsListener> {
  const material = new ChangingMaterial<TlsMaterial>({ ...serverMaterial(), ca: authority.cert });
  const closes: string[] = [];
  const remotes: RemoteConnection[] = [];
  const listening = await listenHttp2({
    host: "127.0.0.1",
    port: 0,
    clock: systemClock,
    onRequest(stream, remote) {
      remotes.push(remote);
      stream.respond([new HeaderField(":status", "200")], true);
    },
    onForcedClose: (reason, detail) => closes.push(`${reason}: ${detail}`),
    tls: { source: material, ...tls },
    ...options,
  });
  return { listening, material, closes, remotes };
}

/** Connects as a plain TLS client that trusts the authority of the tests. */
export function tlsClient(port: number, options: ConnectionOptions = {}): TLSSocket {
  const socket = connect({ host: "127.0.0.1", port, ca: authority.cert, ALPNProtocols: ["h2"], ...options });
  socket.on("error", () => {});
  return socket;
}

/** How a handshake and what follows went: what was agreed on, then the code of the error, or how it closed. */
export function outcomeOf(socket: TLSSocket): Promise<{ protocol: string; end: string }> {
  return new Promise((resolve) => {
    let protocol = "";
    let end = "closed";
    socket.once("secureConnect", () => {
      protocol = `${socket.getProtocol()} ${socket.alpnProtocol}`;
    });
    socket.on("data", () => {});
    socket.on("error", (error: NodeJS.ErrnoException) => {
      end = error.code ?? error.message;
    });
    socket.once("close", () => resolve({ protocol, end }));
  });
}
