// Asks everybody how they are: the registry in FERRY_HOME, each sidecar's admin server, the gateway's health, and each
// application that reads a read model. What does not answer within `timeoutMs` is shown as unreachable.

import { networkInterfaces } from "node:os";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { parseAddress } from "../../common/settings.ts";
import {
  GetReadModelRequestSchema,
  GetReadModelResponseSchema,
} from "../../gen/ferry/admin/v1/read_model_service_pb.ts";
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from "../../gen/grpc/health/v1/health_pb.ts";
import type { RegisteredInstance } from "../../sidecar/discovery/registry.ts";
import { openAdminClient } from "../admin-client.ts";
import { reasonOf } from "../exit.ts";
import { openClient, rawCall, untracedMetadata } from "../grpc/raw-call.ts";
import { type InstanceProcesses, readInstanceProcesses, readStack } from "../supervise/home.ts";
import type { InstanceStatus, MeshStatus, ReadModelStatus, RegistryStatus, RejectedEntry } from "./mesh-status.ts";
import { lostConfig } from "./mesh-status.ts";
import { openRegistry } from "./open-registry.ts";

const timeoutMs = 2000;
const readModelService = "ferry.admin.v1.ReadModelService";

/** `home` is absolute. Rejects with a CommandError when the settings are wrong. */
export async function collectStatus(home: string): Promise<MeshStatus> {
  const stack = readStack(home);
  const { registered, registry } = await readRegistry(home);
  const processes = readInstanceProcesses(home);
  const near = registered.filter(isNear);
  const [instances, readModels, configs, gateway] = await Promise.all([
    Promise.all(registered.map((instance) => instanceStatus(instance, processes.get(instance.id)))),
    Promise.all(registered.filter(isReader).map(readModelStatus)),
    Promise.all([...(stack === undefined ? [] : [stack.admin]), ...near.map(({ admin }) => admin)].map(configOf)),
    stack === undefined ? undefined : gatewayStatus(stack.gateway, stack.admin),
  ]);
  const absent = [...processes.values()].filter(({ id }) => !registered.some((instance) => instance.id === id));
  return {
    registry,
    services: byService([
      ...registered.map(({ service }, at) => ({ service, status: instances[at]! })),
      ...absent.map((instance) => ({ service: instance.service, status: absentStatus(instance, registry) })),
    ]),
    readModels: oneOfEach(readModels.filter((model) => typeof model !== "string")),
    silentModels: readModels.filter((model) => typeof model === "string"),
    config: mergeConfigs(configs.filter((config) => config !== undefined)),
    gateway,
  };
}

/** A registry that does not answer is part of what is told, not the end of it. */
async function readRegistry(
  home: string,
): Promise<{ readonly registered: readonly RegisteredInstance[]; readonly registry: RegistryStatus }> {
  const { registry, name } = await openRegistry(home);
  try {
    return { registered: await registry.listInstances(), registry: { name, trouble: "" } };
  } catch (error) {
    return { registered: [], registry: { name, trouble: reasonOf(error) } };
  } finally {
    await registry.close();
  }
}

async function instanceStatus(
  instance: RegisteredInstance,
  processes: InstanceProcesses | undefined,
): Promise<InstanceStatus> {
  const { id, version, sidecarPid, host, port } = instance;
  const pid = processes?.appPid ?? instance.appPid;
  const known = { id, version, pid, sidecarPid, inbound: `${host}:${port}` };
  if (!isNear(instance)) return { ...known, health: instance.health, note: instance.note };
  try {
    await openAdminClient(instance.admin, timeoutMs).getStatus({});
    return { ...known, health: instance.health, note: instance.note };
  } catch (error) {
    return { ...known, health: "unreachable", note: `its sidecar's admin at ${instance.admin}: ${reasonOf(error)}` };
  }
}

/**
 * Whether its admin server can be asked from here: those that listen on loopback only answer on their own machine, and
 * there `127.0.0.1:41000` of another machine would be somebody else.
 */
export function isNear({ admin, host }: Pick<RegisteredInstance, "admin" | "host">): boolean {
  if (!isLoopback(admin) || isLoopback(host)) return true;
  return Object.values(networkInterfaces()).some((own) => own?.some(({ address }) => address === host));
}

function isLoopback(address: string): boolean {
  return /^(127\.|localhost|\[?::1)/.test(address);
}

function absentStatus({ id, appPid, sidecarPid }: InstanceProcesses, { trouble }: RegistryStatus): InstanceStatus {
  const known = { id, version: "", pid: appPid, sidecarPid, inbound: "" };
  if (trouble !== "") return { ...known, health: "unknown", note: trouble };
  return { ...known, health: "absent", note: "it is not registered; its sidecar is starting or has ended" };
}

function byService(all: readonly { service: string; status: InstanceStatus }[]): MeshStatus["services"] {
  const names = [...new Set(all.map(({ service }) => service))].sort();
  return names.map((name) => ({
    name,
    instances: all
      .filter(({ service }) => service === name)
      .map(({ status }) => status)
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  }));
}

function isReader(instance: RegisteredInstance): boolean {
  return (
    instance.health === "passing" && (instance.meta.ferry_grpc_services ?? "").split(",").includes(readModelService)
  );
}

/** A sentence when it does not answer. */
async function readModelStatus(instance: RegisteredInstance): Promise<ReadModelStatus | string> {
  const reply = await ask(`${instance.host}:${instance.port}`, {
    path: `/${readModelService}/GetReadModel`,
    request: toBinary(GetReadModelRequestSchema, create(GetReadModelRequestSchema)),
    authority: instance.service,
  });
  if (!(reply instanceof Uint8Array)) return `${instance.id} does not tell how far its read model is: ${reply}`;
  const { name, position, head, lagMs } = fromBinary(GetReadModelResponseSchema, reply);
  return { name, position, head, lagMs: Number(lagMs) };
}

/** Several instances read the same model; the one that is furthest behind speaks for it. */
function oneOfEach(models: readonly ReadModelStatus[]): ReadModelStatus[] {
  const worst = new Map<string, ReadModelStatus>();
  for (const model of models) {
    const before = worst.get(model.name);
    if (before === undefined || model.lagMs > before.lagMs) worst.set(model.name, model);
  }
  return [...worst.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function gatewayStatus(address: string, admin: string): Promise<NonNullable<MeshStatus["gateway"]>> {
  const reply = await ask(address, {
    path: "/grpc.health.v1.Health/Check",
    request: toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema)),
    authority: undefined,
  });
  if (!(reply instanceof Uint8Array)) return { address, admin, health: reply };
  const { status } = fromBinary(HealthCheckResponseSchema, reply);
  return { address, admin, health: HealthCheckResponse_ServingStatusNames[status] ?? `${status}` };
}

const HealthCheckResponse_ServingStatusNames: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(HealthCheckResponse_ServingStatus).map(([name, number]) => [number, name]),
);

interface ConfigInForce {
  readonly hash: string;
  readonly rejected: readonly RejectedEntry[];
}

async function configOf(admin: string): Promise<ConfigInForce | undefined> {
  try {
    const { hash, rejected } = await openAdminClient(admin, timeoutMs).getConfig({});
    const entries = rejected.map(({ file, path, expected, found, suggestion }) => ({
      ...{ file, path, expected, found, suggestion },
    }));
    return { hash, rejected: entries };
  } catch {
    return undefined; // The instance is shown as unreachable.
  }
}

function mergeConfigs(configs: readonly ConfigInForce[]): ConfigInForce {
  const hashes = new Set(configs.map(({ hash }) => hash));
  const rejected = new Map(configs.flatMap((config) => config.rejected.map((entry) => [JSON.stringify(entry), entry])));
  // A sidecar that needs no chain cannot know that Consul has lost them.
  const lost = [...hashes].find((hash) => hash.startsWith(lostConfig));
  return { hash: lost ?? (hashes.size === 1 ? ([...hashes][0] ?? "") : ""), rejected: [...rejected.values()] };
}

/** The reply's bytes, or the status that came instead. */
async function ask(
  address: string,
  question: { path: string; request: Uint8Array; authority: string | undefined },
): Promise<Uint8Array | string> {
  const { path, request, authority } = question;
  const client = openClient(
    parseAddress(address),
    authority === undefined ? {} : { "grpc.default_authority": authority },
  );
  try {
    let reply: Uint8Array | undefined;
    const result = await rawCall(client, {
      path,
      requests: [request],
      metadata: untracedMetadata(),
      timeoutMs,
      onMessage: (message) => {
        reply = message;
      },
    });
    return reply ?? `${result.code}: ${result.message}`;
  } finally {
    client.close();
  }
}
