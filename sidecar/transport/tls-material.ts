// What TLS is made with: certificate, key and trusted authorities, as PEM texts in memory, from a source that may
// change while the process runs. Files are one source (tls-files.ts); a mesh authority will be another. The acceptor
// (tls-accept.ts) and the dialer (tls-dial.ts) ask for the material of each new connection; open ones keep theirs.

import type { SecureContextOptions } from "node:tls";

/** Who we are, and whom we trust. */
export interface TlsMaterial {
  /** The certificate, then those of the authorities between it and a root. */
  readonly cert: string;
  /** Fits the first certificate; without a passphrase. */
  readonly key: string;
  /** Authorities whose signature counts on the other side's certificate. Absent: for a dialer, the system's. */
  readonly ca?: string;
}

/** A dialer needs no certificate of its own. */
export type DialMaterial = TlsMaterial | { readonly cert?: never; readonly key?: never; readonly ca?: string };

/** A value that changes: `current` is in force, listeners are told of each later one. */
export interface TlsSource<M = TlsMaterial> {
  readonly current: M;
  /** Returns what ends the subscription. */
  onChange(listener: (material: M) => void): () => void;
}

/** The source for material that the process itself replaces. */
export class ChangingMaterial<M = TlsMaterial> implements TlsSource<M> {
  #current: M;
  readonly #listeners = new Set<(material: M) => void>();

  constructor(first: M) {
    this.#current = first;
  }

  get current(): M {
    return this.#current;
  }

  replace(material: M): void {
    this.#current = material;
    for (const listener of [...this.#listeners]) listener(material);
  }

  onChange(listener: (material: M) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The only protocol that is agreed on; `h2c` must never be (RFC 9113 section 3.2). */
export const alpnProtocols: readonly string[] = ["h2"];

/**
 * Options for `createSecureContext`, in both roles. TLS 1.2 at least; of its cipher suites those that RFC 9113's
 * appendix A does not prohibit: forward secrecy and AEAD. TLS 1.3's suites are all of that kind.
 */
export function contextOptions(material: DialMaterial): SecureContextOptions {
  const { cert, key, ca } = material;
  return {
    minVersion: "TLSv1.2",
    ciphers: cipherSuites,
    ...(cert === undefined ? {} : { cert, key }),
    ...(ca === undefined ? {} : { ca }),
  };
}

const cipherSuites = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");
