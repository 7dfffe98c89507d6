// What `ferry status` tells, as plain data, and the one rule that says whether all is well. Pure; collect-status.ts
// asks the registry and the processes.

export interface InstanceStatus {
  readonly id: string;
  readonly version: string;
  /** The application's process id; 0 when unknown. */
  readonly pid: number;
  readonly sidecarPid: number;
  /** `host:port` where other sidecars reach it; empty when it is absent. */
  readonly inbound: string;
  /**
   * The registry's; `absent`: it should be registered and is not; `unreachable`: its sidecar does not answer;
   * `unknown`: the registry does not answer.
   */
  readonly health: "passing" | "warning" | "critical" | "maintenance" | "absent" | "unreachable" | "unknown";
  /** Why it is not passing; empty when it is. */
  readonly note: string;
}

export interface ReadModelStatus {
  readonly name: string;
  readonly position: string;
  readonly head: string;
  /** Milliseconds since it was known to hold everything; 0 while it is caught up. */
  readonly lagMs: number;
}

export interface RejectedEntry {
  readonly file: string;
  readonly path: string;
  readonly expected: string;
  readonly found: string;
  readonly suggestion: string;
}

export interface RegistryStatus {
  /** As `directory /home/me/.ferry/registry` or `consul at 127.0.0.1:8500`. */
  readonly name: string;
  /** Why it cannot be asked; empty when it can. */
  readonly trouble: string;
}

export interface MeshStatus {
  readonly registry: RegistryStatus;
  readonly services: readonly { readonly name: string; readonly instances: readonly InstanceStatus[] }[];
  readonly readModels: readonly ReadModelStatus[];
  /** Sentences about read models that did not tell how far they are although their instance passes. */
  readonly silentModels: readonly string[];
  /** `hash` is empty when no sidecar answered, or when they do not agree. */
  readonly config: { readonly hash: string; readonly rejected: readonly RejectedEntry[] };
  /** Undefined when no stack runs here. */
  readonly gateway: { readonly address: string; readonly admin: string; readonly health: string } | undefined;
}

/** A read model that is further behind is not healthy. */
export const longestLagMs = 5000;

/** How the `hash` begins while Consul has lost its state and sidecars keep what it had before. */
export const lostConfig = "consul (";

/** What is not as it should be, one sentence each; empty when all is healthy. */
export function findTroubles(status: MeshStatus): string[] {
  const troubles: string[] = [];
  const { trouble } = status.registry;
  if (trouble !== "") troubles.push(`${trouble}; calls go on with what the sidecars knew last`);
  else if (status.services.length === 0) troubles.push("no instance is registered");
  for (const service of status.services) {
    for (const instance of service.instances) {
      if (instance.health === "passing" || instance.health === "unknown") continue;
      troubles.push(`${instance.id} is ${instance.health}${instance.note === "" ? "" : `: ${instance.note}`}`);
    }
  }
  for (const model of status.readModels) {
    if (model.lagMs > longestLagMs) troubles.push(`read model ${model.name} is ${model.lagMs} ms behind the log`);
  }
  troubles.push(...status.silentModels);
  if (status.gateway !== undefined && status.gateway.health !== "SERVING") {
    troubles.push(`the gateway at ${status.gateway.address} is ${status.gateway.health}`);
  }
  if (trouble === "" && status.config.hash === "" && status.services.length > 0) {
    troubles.push("the sidecars do not have the same mesh configuration in force");
  }
  if (status.config.hash.startsWith(lostConfig)) {
    troubles.push("Consul has lost its configuration; what it had stays in force: run `ferry apply` to write it again");
  }
  for (const entry of status.config.rejected) {
    const hint = entry.suggestion === "" ? "" : `; did you mean ${entry.suggestion}?`;
    troubles.push(`refused ${entry.file} at ${entry.path}: expected ${entry.expected}, found ${entry.found}${hint}`);
  }
  return troubles;
}
