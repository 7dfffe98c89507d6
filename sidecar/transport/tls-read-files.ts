// Reads TLS material from PEM files and says in one sentence which file is wrong and how. Nothing is handed out that
// OpenSSL would refuse. Called by tls-files.ts, at the start and at each change.

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { contextOptions, type DialMaterial } from "./tls-material.ts";

/** A certificate comes with its key. */
export interface TlsPaths {
  /** The certificate, then those of the authorities between it and a root. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** One authority or more. */
  readonly caFile?: string;
}

export interface ReadMaterial {
  readonly material: DialMaterial;
  /** Sentences about what is taken and should be looked at. */
  readonly warnings: readonly string[];
}

/** Its message is a sentence without a point at its end. */
export class TlsFileError extends Error {
  override readonly name = "TlsFileError";
}

/** A file of certificates with thousands of authorities is below this; a device file is not. */
const maxFileBytes = 4 << 20;
const certificatePem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Rejects with TlsFileError. `wallMs` decides what has expired. */
export async function readTlsFiles(paths: TlsPaths, wallMs: number): Promise<ReadMaterial> {
  const { certFile, keyFile, caFile } = paths;
  const warnings: string[] = [];
  const ca = caFile === undefined ? undefined : (await read(caFile, "authority")).text;
  if (ca !== undefined) certificatesIn(ca, caFile!, "authority");
  const trust = ca === undefined ? {} : { ca };
  if (certFile === undefined || keyFile === undefined) {
    if (certFile !== keyFile) throw new TlsFileError("a certificate and its key are given together");
    checkByOpenssl(trust, paths);
    return { material: trust, warnings };
  }
  const { text: cert } = await read(certFile, "certificate");
  const [leaf] = certificatesIn(cert, certFile, "certificate");
  const { text: key, mode } = await read(keyFile, "key");
  if (!leaf!.checkPrivateKey(privateKeyIn(key, keyFile))) {
    throw new TlsFileError(`key ${keyFile} does not fit certificate ${certFile}`);
  }
  const material = { cert, key, ...trust };
  checkByOpenssl(material, paths);
  const validity = validityWarning(leaf!, certFile, wallMs);
  if (validity !== undefined) warnings.push(validity);
  if ((mode & 0o077) !== 0) {
    warnings.push(`key ${keyFile} has mode ${(mode & 0o777).toString(8).padStart(4, "0")}: expected 0600`);
  }
  return { material, warnings };
}

/** What is wrong with the time for which a certificate is valid, or nothing. */
export function validityWarning(leaf: X509Certificate, file: string, wallMs: number): string | undefined {
  if (wallMs > Date.parse(leaf.validTo)) return `certificate ${file} expired on ${leaf.validTo}`;
  if (wallMs < Date.parse(leaf.validFrom)) return `certificate ${file} is not valid before ${leaf.validFrom}`;
  return undefined;
}

async function read(file: string, what: string): Promise<{ text: string; mode: number }> {
  try {
    const { size, mode } = await stat(file);
    if (size > maxFileBytes) throw new Error(`larger than ${maxFileBytes} octets`);
    return { text: await readFile(file, "latin1"), mode };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = { ENOENT: "no such file", EACCES: "permission denied", EISDIR: "is a directory" }[code ?? ""];
    throw new TlsFileError(`${what} ${file} cannot be read: ${why ?? message}`, { cause: error });
  }
}

/** At least one. */
function certificatesIn(text: string, file: string, what: string): X509Certificate[] {
  const blocks = text.match(certificatePem) ?? [];
  if (blocks.length === 0) throw new TlsFileError(`${what} ${file} holds no PEM certificate`);
  try {
    return blocks.map((pem) => new X509Certificate(pem));
  } catch (error) {
    throw new TlsFileError(`${what} ${file} holds a PEM certificate that cannot be decoded`, { cause: error });
  }
}

function privateKeyIn(text: string, file: string): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) throw new TlsFileError(`key ${file} holds no PEM private key`);
  if (/ENCRYPTED/.test(text)) throw new TlsFileError(`key ${file} has a passphrase: expected one without`);
  try {
    return createPrivateKey(text);
  } catch {
    // Without a cause: nothing that was read from a key goes into an error.
    throw new TlsFileError(`key ${file} holds a PEM private key that cannot be decoded`);
  }
}

/** What remains, as keys that are too short for OpenSSL. */
function checkByOpenssl(material: DialMaterial, { certFile, caFile }: TlsPaths): void {
  try {
    createSecureContext(contextOptions(material));
  } catch (error) {
    const { reason, message } = error as Error & { reason?: string };
    throw new TlsFileError(`OpenSSL refuses ${certFile ?? caFile}: ${reason ?? message}`);
  }
}
