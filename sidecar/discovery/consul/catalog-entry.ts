// How an instance stands in Consul's catalog: the registration that its sidecar writes, and the endpoint that another
// sidecar reads. Pure. Shapes: Consul's agent and health API; health and weight are counted as Envoy does in Consul.
//
// What Ferry adds: meta `ferry_*` for operators, and a tag `ferry-grpc:<service>` for each gRPC service. Tags, because
// one watch of /v1/catalog/services then tells them for all services, and meta holds 512 bytes a value only.

import { formatAddress } from "../../../common/settings.ts";
import type { Endpoint, EndpointNode, RegisteredInstance, Registration } from "../registry.ts";

export type Health = Endpoint["health"];

/** The check that the sidecar feeds with what it sees of its application. */
export function checkIdOf(instanceId: string): string {
  return `ferry:${instanceId}`;
}

/** Whether what /v1/agent/service/:id gives was registered by this very process, not by a later one of the same id. */
export function isRegisteredBy({ sidecarPid, admin }: Registration, body: unknown): boolean {
  const meta = (body as AgentService | undefined)?.Meta;
  return meta?.ferry_sidecar_pid === String(sidecarPid) && meta.ferry_admin === admin;
}

export const ttlSeconds = 10;
const deregisterAfter = "10m";
const grpcTag = "ferry-grpc:";
/** Names of ours in meta; an endpoint does not show them. */
const ownMeta = ["ferry_app_pid", "ferry_sidecar_pid", "ferry_admin", "ferry_weight"];
/** Envoy's bound. */
const maxWeight = 128;

/** The id under which the sidecar of an instance stands in the catalog; as Consul names it. */
export function sidecarIdOf(instanceId: string): string {
  return `${instanceId}-sidecar-proxy`;
}

export interface CheckedState {
  readonly health: Health;
  readonly note: string;
  /** The agent asks as well, by grpc.health.v1 at the registered address: wherever it runs, it must reach that. */
  readonly hasGrpcCheck?: boolean | undefined;
}

/** The body for /v1/agent/service/register of the instance itself, with the check that we feed. */
export function registrationBody(registration: Registration, state: CheckedState): unknown {
  const { id, service } = registration;
  return {
    ...placeOf(registration),
    ...{ ID: id, Name: service },
    Checks: [
      {
        CheckID: checkIdOf(id),
        Name: "the application, as its sidecar sees it",
        TTL: `${ttlSeconds}s`,
        Status: state.health,
        Notes: state.note,
        // A sidecar that was killed leaves its registration behind.
        DeregisterCriticalServiceAfter: deregisterAfter,
      },
      ...(state.hasGrpcCheck === true ? [grpcCheck(registration, state.health)] : []),
    ],
  };
}

function grpcCheck({ id, host, port }: Registration, health: Health) {
  return {
    CheckID: `ferry-grpc:${id}`,
    Name: "grpc.health.v1 through the sidecar, as the agent sees it",
    GRPC: formatAddress({ host, port }),
    Interval: "5s",
    Timeout: "2s",
    // Not critical until the first answer: the sidecar has just asked.
    Status: health,
  };
}

/**
 * The body for its sidecar, the connect-proxy that is dialed. A registration of its own and not a part of the
 * instance's (`Connect.SidecarService`): an agent that starts again on its data would give that part the checks that
 * Consul adds by itself beside ours, and one of them dials the sidecar from the agent, which may be elsewhere.
 */
export function sidecarBody(registration: Registration): unknown {
  const { id, service } = registration;
  return {
    ...placeOf(registration),
    ...{ ID: sidecarIdOf(id), Name: `${service}-sidecar-proxy`, Kind: "connect-proxy" },
    // The application's health is the sidecar's.
    Checks: [{ Name: `alias of ${id}`, AliasService: id, DeregisterCriticalServiceAfter: deregisterAfter }],
    Proxy: { DestinationServiceName: service, DestinationServiceID: id, Config: { protocol: "grpc" } },
  };
}

function placeOf(registration: Registration) {
  const { host, port, weight } = registration;
  // Consul refuses 0 here: such an instance says so in its meta.
  const Weights = { Passing: Math.max(1, weight), Warning: Math.max(1, weight) };
  return { Address: host, Port: port, Weights, Tags: tagsOf(registration), Meta: metaOf(registration) };
}

function metaOf({ version, meta, weight, appPid, sidecarPid, admin }: Registration): Record<string, string> {
  const { ferry_grpc_services: _, ...free } = meta;
  return {
    ...free,
    ...(version !== "" && { version }),
    ...(weight === 0 && { ferry_weight: "0" }),
    ferry_app_pid: String(appPid),
    ferry_sidecar_pid: String(sidecarPid),
    ferry_admin: admin,
  };
}

function tagsOf({ meta }: Registration): readonly string[] {
  const names = (meta.ferry_grpc_services ?? "").split(",").map((name) => name.trim());
  return names.filter((name) => name !== "").map((name) => `${grpcTag}${name}`);
}

/** The gRPC services that tags state, sorted; names that could not be one are left out. */
export function grpcServicesOf(tags: readonly string[]): readonly string[] {
  const names = tags.filter((tag) => tag.startsWith(grpcTag)).map((tag) => tag.slice(grpcTag.length));
  return [...new Set(names)].filter((name) => /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(name)).sort();
}

/** The parts of a catalog entry that are read, checked for nothing: absent and null are the same to Go. */
export interface HealthEntry {
  readonly Node?: CatalogNode | null;
  readonly Service?: AgentService | null;
  readonly Checks?: readonly CatalogCheck[] | null;
}

export interface CatalogNode {
  readonly Node?: string;
  readonly Address?: string;
  readonly Datacenter?: string;
  readonly Meta?: Readonly<Record<string, string>> | null;
}

export interface AgentService {
  readonly ID?: string;
  readonly Service?: string;
  readonly Kind?: string;
  readonly Tags?: readonly string[] | null;
  readonly Meta?: Readonly<Record<string, string>> | null;
  readonly Address?: string;
  readonly Port?: number;
  readonly Weights?: { readonly Passing?: number; readonly Warning?: number } | null;
  readonly Proxy?: { readonly DestinationServiceID?: string } | null;
}

export interface CatalogCheck {
  readonly Node?: string;
  readonly CheckID?: string;
  readonly ServiceID?: string;
  readonly Status?: string;
  readonly Output?: string;
  readonly Notes?: string;
}

/** /v1/health/connect/:service to endpoints, sorted by id. Throws when it is no list. */
export function endpointsOf(body: unknown, service: string): readonly Endpoint[] {
  if (!Array.isArray(body)) throw new Error("expected a list of instances");
  return (body as HealthEntry[])
    .map((entry) => endpointOf(entry, service))
    .filter((endpoint) => endpoint !== undefined)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

function endpointOf(entry: HealthEntry, service: string): Endpoint | undefined {
  const { ID = "", Address = "", Port = 0, Weights, Proxy: proxy, Tags, Meta } = entry.Service ?? {};
  const host = Address || (entry.Node?.Address ?? "");
  if (ID === "" || host === "" || Port === 0) return undefined;
  const checks = entry.Checks ?? [];
  const health = healthOf(checks);
  const stated = (health === "warning" ? Weights?.Warning : Weights?.Passing) ?? 1;
  const grpcServices = grpcServicesOf(Tags ?? []);
  const free = Object.entries(Meta ?? {}).filter(([key]) => !ownMeta.includes(key));
  const meta = {
    ...Object.fromEntries(free),
    ...(grpcServices.length > 0 && { ferry_grpc_services: grpcServices.join(",") }),
  };
  return {
    id: proxy?.DestinationServiceID || ID.replace(/-sidecar-proxy$/, ""),
    ...{ service, version: Meta?.version ?? "", host, port: Port },
    weight: Meta?.ferry_weight === "0" ? 0 : Math.min(stated, maxWeight),
    ...{ health, meta },
    ...(Tags != null && Tags.length > 0 && { tags: Tags }),
    ...(entry.Node != null && { node: nodeOf(entry.Node) }),
  };
}

function nodeOf({ Node = "", Address = "", Datacenter = "", Meta }: CatalogNode): EndpointNode {
  return { name: Node, address: Address, datacenter: Datacenter, meta: Meta ?? {} };
}

/** The worst of all checks, those of the node included. */
export function healthOf(checks: readonly CatalogCheck[]): Health {
  if (checks.some(({ Status }) => Status === "critical")) return "critical";
  return checks.some(({ Status }) => Status === "warning") ? "warning" : "passing";
}

/** An instance that a Ferry sidecar registered, for operators; undefined: somebody else's. */
export function registeredInstanceOf(
  service: AgentService,
  checks: readonly CatalogCheck[],
): RegisteredInstance | undefined {
  const { ID = "", Service = "", Tags, Meta, Address = "", Port = 0, Weights } = service;
  if (Meta?.ferry_admin === undefined) return undefined;
  const { version = "", ferry_app_pid, ferry_sidecar_pid, ferry_admin, ferry_weight, ...meta } = Meta;
  const grpcServices = grpcServicesOf(Tags ?? []);
  const registration: Registration = {
    ...{ id: ID, service: Service, version, host: Address, port: Port, admin: ferry_admin },
    weight: ferry_weight === "0" ? 0 : (Weights?.Passing ?? 1),
    meta: grpcServices.length > 0 ? { ...meta, ferry_grpc_services: grpcServices.join(",") } : meta,
    appPid: Number(ferry_app_pid ?? 0),
    sidecarPid: Number(ferry_sidecar_pid ?? 0),
  };
  const maintenance = checks.find(({ CheckID }) => CheckID?.startsWith("_service_maintenance:"));
  if (maintenance !== undefined) return { ...registration, health: "maintenance", note: maintenance.Notes ?? "" };
  const health = healthOf(checks);
  const worst = checks.find(({ Status }) => Status === health);
  return { ...registration, health, note: health === "passing" ? "" : worst?.Output || worst?.Notes || "" };
}
