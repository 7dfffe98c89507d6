// Our own peer: the sidecar as it is shipped, with every default layer of the outbound stack, one hop. It runs as a
// gateway, since a gateway stands beside no application; its upstream `bench` is one endpoint in a directory registry,
// the benchmark's backend. Descriptors are given as an image, so that the method is known as unary and idempotent: the
// replay buffer and the held header are at work on every call.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Peer, portOf, readyLineOf, runningChild, spawnOnCores } from "./peer.ts";

const main = fileURLToPath(new URL("../../sidecar/main.ts", import.meta.url));
const descriptors = fileURLToPath(new URL("../../proto/released/v0.1.0.binpb", import.meta.url));

export const ferry: Peer = sidecar("ferry", {});

/** The same, but no reply is held for a retry: beside `ferry`, what the hold costs. */
export const ferryUnheld: Peer = sidecar("ferry-unheld", { ferry_idempotent: "no" });

function sidecar(name: string, config: Readonly<Record<string, string>>): Peer {
  return {
    name,
    obstacle: () => undefined,
    async start(params) {
      const { command, env } = sidecarCommand({ ...params, config });
      const child = spawnOnCores(params.cores, command, env);
      return runningChild(child, portOf((await readyLineOf(child)).outbound));
    },
  };
}

export interface SidecarParams {
  readonly backendPort: number;
  /** Of the sidecar's own, for its registry and configuration. */
  readonly folder: string;
  readonly workers: number;
  /** Config of proxy-defaults. */
  readonly config?: Readonly<Record<string, string>>;
  /** For Node itself. */
  readonly nodeFlags?: readonly string[];
}

/** How the sidecar is started; its registry and configuration are written. */
export function sidecarCommand({ backendPort, folder, workers, config = {}, nodeFlags = [] }: SidecarParams) {
  const registry = join(folder, "registry/bench");
  const meshConfig = join(folder, "mesh-config");
  mkdirSync(registry, { recursive: true });
  mkdirSync(join(meshConfig, "proxy-defaults"), { recursive: true });
  const defaults = { Kind: "proxy-defaults", Name: "global", Config: { protocol: "grpc", ...config } };
  writeFileSync(join(meshConfig, "proxy-defaults/global.json"), JSON.stringify(defaults));
  writeFileSync(join(registry, "bench-1.json"), instanceFile(backendPort));
  const env: NodeJS.ProcessEnv = {
    ...withoutOurSettings(),
    FERRY_ROLE: "gateway",
    FERRY_SERVICE: "bench",
    FERRY_OUTBOUND: "127.0.0.1:0",
    FERRY_HOME: folder,
    FERRY_MESH_CONFIG: meshConfig,
    FERRY_DESCRIPTORS: descriptors,
    ...(workers > 1 && { FERRY_WORKERS: String(workers) }),
  };
  return { command: [process.execPath, ...nodeFlags, main], env };
}

/** Settings of whoever runs the benchmark are not the sidecar's defaults: each of them is to be unset. */
function withoutOurSettings(): NodeJS.ProcessEnv {
  const ours = Object.keys(process.env).filter((name) => name.startsWith("FERRY_") || name.startsWith("OTEL_"));
  return Object.fromEntries(ours.map((name) => [name, undefined]));
}

/** The registry's entry for the backend; this process stands in as its sidecar, so that the entry counts as alive. */
function instanceFile(port: number): string {
  const who = { id: "bench-1", service: "bench", version: "v1", weight: 1, meta: {} };
  const where = { host: "127.0.0.1", port, admin: "" };
  const how = { appPid: process.pid, sidecarPid: process.pid, sidecarStart: "", health: "passing", note: "" };
  return JSON.stringify({ format: 1, ...who, ...where, ...how });
}
