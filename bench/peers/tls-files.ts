// Certificates of one benchmark, made when it begins and gone with its folder: an authority, the proxies' certificate
// for `localhost`, and the load's own. ECDSA P-256, as a mesh's authority issues them. Called by proxy.ts.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeAuthority, makeCertificate } from "../../common/testing/make-certificate.ts";
import type { LoadTls } from "../wire/load-plan.ts";

/** PEM files; those with a key may be read by their owner only. */
export interface TlsFiles {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Certificate and key in one, as HAProxy wants them. */
  readonly bothFile: string;
  /** What the load and the probe show. */
  readonly client: LoadTls;
}

const dayMs = 86_400_000;

export function writeTlsFiles(folder: string): TlsFiles {
  const write = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const notAfter = new Date(Date.now() + dayMs);
  const authority = makeAuthority("authority of the benchmark", notAfter);
  const server = makeCertificate({ commonName: "proxy", dns: ["localhost"], ips: ["127.0.0.1"], notAfter }, authority);
  const client = makeCertificate({ commonName: "load", uris: ["spiffe://bench/load"], notAfter }, authority);
  const caFile = write("ca.crt", authority.cert);
  return {
    caFile,
    certFile: write("proxy.crt", server.cert),
    keyFile: write("proxy.key", server.key),
    bothFile: write("proxy.pem", `${server.cert}${server.key}`),
    client: { caFile, certFile: write("load.crt", client.cert), keyFile: write("load.key", client.key) },
  };
}
