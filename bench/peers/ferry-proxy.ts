// `ferry proxy` as a peer: the data plane alone with every default layer of the way out, in front of one server, its
// listener plaintext or mTLS. Without descriptors no method is known as idempotent, so no reply is held for a retry:
// that is the difference to `ferry` of profile `plain`.

import { fileURLToPath } from "node:url";
import { type Peer, portOf, readyLineOf, runningChild, spawnOnCores } from "./peer.ts";
import type { TlsFiles } from "./tls-files.ts";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

export const ferryProxy: Peer = {
  name: "ferry-proxy",
  obstacle: () => undefined,
  async start(params) {
    const child = spawnOnCores(params.cores, [process.execPath, main, ...proxyArguments(params)]);
    return runningChild(child, portOf((await readyLineOf(child)).listen));
  },
};

export interface ProxyArguments {
  readonly backendPort: number;
  readonly workers: number;
  readonly tls?: TlsFiles | undefined;
  /** As `--limits` has them. */
  readonly limits?: string;
}

/** What stands behind `ferry`. */
export function proxyArguments({ backendPort, workers, tls, limits }: ProxyArguments): readonly string[] {
  return [
    ...["proxy", "--json", "--upstream", `127.0.0.1:${backendPort}`],
    ...(workers > 1 ? ["--workers", String(workers)] : []),
    ...(limits === undefined ? [] : ["--limits", limits]),
    ...(tls === undefined ? [] : ["--tls-cert", tls.certFile, "--tls-key", tls.keyFile, "--tls-client-ca", tls.caFile]),
  ];
}
