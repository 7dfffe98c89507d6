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
    const child = spawnOnCores(params.cores, proxyCommand(params));
    return runningChild(child, portOf((await readyLineOf(child)).listen));
  },
};

export interface ProxyCommandParams {
  readonly backendPort: number;
  readonly workers: number;
  readonly tls?: TlsFiles | undefined;
  /** As `--limits` has them. */
  readonly limits?: string;
  /** For Node itself. */
  readonly nodeFlags?: readonly string[];
}

export function proxyCommand({ backendPort, workers, tls, limits, nodeFlags = [] }: ProxyCommandParams) {
  const command = [process.execPath, ...nodeFlags, main, "proxy", "--json", "--upstream", `127.0.0.1:${backendPort}`];
  if (workers > 1) command.push("--workers", String(workers));
  if (limits !== undefined) command.push("--limits", limits);
  if (tls !== undefined) {
    command.push("--tls-cert", tls.certFile, "--tls-key", tls.keyFile, "--tls-client-ca", tls.caFile);
  }
  return command;
}
