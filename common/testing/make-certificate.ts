// Certificates for tests, made at run time: X.509 v3 with ECDSA P-256, written as DER by hand, since node:crypto reads
// certificates and cannot make them. An authority signs; a leaf has the names it is given. Nothing here is for
// production: serial numbers are short, and there is no way to revoke.

import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";

export interface TestingCertificate {
  /** PEM. */
  readonly cert: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface CertificateParams {
  readonly commonName: string;
  readonly dns?: readonly string[];
  /** IPv4. */
  readonly ips?: readonly string[];
  readonly uris?: readonly string[];
  /** Default: an hour ago. */
  readonly notBefore?: Date;
  /** Default: in an hour. */
  readonly notAfter?: Date;
}

const hourMs = 3_600_000;

/** An authority of its own: its certificate is signed with its own key. `notAfter`: as in CertificateParams. */
export function makeAuthority(commonName: string, notAfter?: Date): TestingCertificate {
  const key = newKey();
  const params = notAfter === undefined ? { commonName } : { commonName, notAfter };
  return { cert: certificate(params, key, { commonName, key }, true), key: pemOf(key) };
}

/** A certificate for servers and clients, signed by `authority`; without one, by itself. */
export function makeCertificate(params: CertificateParams, authority?: TestingCertificate): TestingCertificate {
  const key = newKey();
  const issuer =
    authority === undefined
      ? { commonName: params.commonName, key }
      : { commonName: commonNameOf(authority.cert), key: createPrivateKey(authority.key) };
  return { cert: certificate(params, key, issuer, false), key: pemOf(key) };
}

const newKey = () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const commonNameOf = (pem: string) => new X509Certificate(pem).subject.replace("CN=", "");
const pemOf = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }) as string;

const publicKeyOf = (key: KeyObject) => {
  const { x = "", y = "" } = key.export({ format: "jwk" });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
  return seq(seq(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), bits(point));
};

/** RFC 5280 section 4.1. */
function certificate(
  params: CertificateParams,
  key: KeyObject,
  issuer: { commonName: string; key: KeyObject },
  isAuthority: boolean,
): string {
  const algorithm = seq(oid("1.2.840.10045.4.3.2"));
  const from = params.notBefore ?? new Date(Date.now() - hourMs);
  const to = params.notAfter ?? new Date(Date.now() + hourMs);
  const serial = randomBytes(8);
  serial[0] = 1;
  const body = seq(
    tlv(0xa0, tlv(0x02, Buffer.of(2))),
    tlv(0x02, serial),
    algorithm,
    name(issuer.commonName),
    seq(time(from), time(to)),
    name(params.commonName),
    publicKeyOf(key),
    tlv(0xa3, seq(...extensions(params, isAuthority))),
  );
  const signed = seq(body, algorithm, bits(sign("sha256", body, issuer.key)));
  const lines = signed.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function extensions(params: CertificateParams, isAuthority: boolean): Buffer[] {
  const isTrue = tlv(0x01, Buffer.of(0xff));
  // An authority signs certificates (5) and lists (6); a leaf signs (0). keyUsage is a bit string with unused bits.
  const usage = tlv(0x03, isAuthority ? Buffer.of(1, 0x06) : Buffer.of(7, 0x80));
  const names = [
    ...(params.dns ?? []).map((text) => tlv(0x82, Buffer.from(text))),
    ...(params.uris ?? []).map((text) => tlv(0x86, Buffer.from(text))),
    ...(params.ips ?? []).map((text) => tlv(0x87, Buffer.from(text.split(".").map(Number)))),
  ];
  return [
    seq(oid("2.5.29.19"), isTrue, tlv(0x04, isAuthority ? seq(isTrue) : seq())),
    seq(oid("2.5.29.15"), isTrue, tlv(0x04, usage)),
    ...(names.length > 0 ? [seq(oid("2.5.29.17"), tlv(0x04, seq(...names)))] : []),
  ];
}

function tlv(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const bytes = content.length;
  const length = bytes < 128 ? [bytes] : bytes < 256 ? [0x81, bytes] : [0x82, bytes >> 8, bytes & 255];
  return Buffer.concat([Buffer.of(tag, ...length), content]);
}

const seq = (...parts: Buffer[]) => tlv(0x30, ...parts);
const bits = (content: Buffer) => tlv(0x03, Buffer.of(0), content);
const name = (commonName: string) => seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x0c, Buffer.from(commonName)))));
const time = (at: Date) => {
  const digits = at.toISOString().replaceAll(/[-:T]|\..*/g, "");
  return tlv(0x17, Buffer.from(`${digits.slice(2)}Z`));
};

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const octets = [first * 40 + second];
  for (const part of rest) {
    const sevens = [part & 127];
    for (let left = part >> 7; left > 0; left >>= 7) sevens.unshift((left & 127) | 128);
    octets.push(...sevens);
  }
  return tlv(0x06, Buffer.from(octets));
}
