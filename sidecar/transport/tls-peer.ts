// The certificate that the other side proved, as plain data, so that whoever decides on identities needs no socket.

import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";

export interface PeerCertificate {
  /** `spiffe://…` when that is its only URI name, as SPIFFE demands; else undefined. */
  readonly spiffeId: string | undefined;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** As `CN=name`; several parts are separated by line feeds. */
  readonly subject: string;
  readonly serialNumber: string;
  /** SHA-256, as `AB:CD:…`. */
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** What the peer of a secured socket showed; undefined when it showed none. Does not say that anybody verified it. */
export function peerCertificate(socket: TLSSocket): PeerCertificate | undefined {
  const shown = socket.getPeerX509Certificate();
  return shown === undefined ? undefined : describeCertificate(shown);
}

export function describeCertificate(certificate: X509Certificate): PeerCertificate {
  const names = alternativeNames(certificate.subjectAltName ?? "");
  const uris = names.filter(([kind]) => kind === "URI").map(([, name]) => name);
  return {
    spiffeId: uris.length === 1 && uris[0]!.startsWith("spiffe://") ? uris[0] : undefined,
    uris,
    dnsNames: names.filter(([kind]) => kind === "DNS").map(([, name]) => name),
    subject: certificate.subject ?? "",
    serialNumber: certificate.serialNumber,
    fingerprint: certificate.fingerprint256,
    expiresAtMs: Date.parse(certificate.validTo),
  };
}

/**
 * Node's text of the names, as `DNS:a.test, URI:spiffe://x/y`. A name with a comma, a quote or a control character in
 * it is a JSON string there, so that no name can pass for two.
 */
function alternativeNames(text: string): [kind: string, name: string][] {
  const names: [string, string][] = [];
  for (const [, kind = "", name = ""] of text.matchAll(/([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)) {
    names.push([kind, name.startsWith('"') ? (JSON.parse(name) as string) : name]);
  }
  return names;
}
