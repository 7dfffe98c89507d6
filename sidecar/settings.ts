// Every setting of a sidecar process, one row each: the only place in the sidecar that knows their names. main.ts reads
// them once at the start; docs/reference/settings.md is generated from the same rows.

import { consulRows } from "../common/consul-settings.ts";
import { settingNames } from "../common/setting-names.ts";
import {
  type Address,
  parseAddress,
  parseDurationMs,
  parseInteger,
  parseList,
  parseOneOf,
  parseText,
  readSettings,
  type SettingRow,
  type SettingsOf,
  type SettingsResult,
} from "../common/settings.ts";
import type { Limits } from "./http2/limits.ts";
import { parseLimits } from "./http2/parse-limits.ts";
import { parseWorkers } from "./worker/parse-workers.ts";

/** An upstream that the application may call, with a listener of its own when `port` is given. */
export interface UpstreamSetting {
  readonly name: string;
  /** 0: any free one. */
  readonly port: number | undefined;
}

const loopback = (port: number): Address => ({ host: "127.0.0.1", port });

export const sidecarRows = {
  role: {
    env: "FERRY_ROLE",
    parse: parseOneOf("sidecar", "gateway"),
    fallback: "sidecar",
    doc: "sidecar: stands beside one application. gateway: the mesh's edge, with no application of its own.",
  },
  service: {
    env: "FERRY_SERVICE",
    parse: parseServiceName,
    fallback: undefined,
    doc: "The service that the application is an instance of; for a gateway the virtual service whose router it follows.",
  },
  instance: {
    env: "FERRY_INSTANCE",
    parse: parseInstanceId,
    fallback: "" as string,
    doc: "The instance's id, unique in the registry. Empty: the service and the process id.",
  },
  version: {
    env: "FERRY_VERSION",
    parse: parseText,
    fallback: "" as string,
    doc: "The deployed version, as v1; what subset filters match as Service.Meta.version.",
  },
  app: {
    env: "FERRY_APP",
    parse: parseAddress,
    fallback: null as Address | null,
    doc: "Where the application listens. Required for a sidecar, meaningless for a gateway.",
  },
  inbound: {
    env: "FERRY_INBOUND",
    parse: parseAddress,
    fallback: loopback(0),
    doc: "Where other sidecars reach the application; port 0 takes a free one.",
  },
  advertise: {
    env: "FERRY_ADVERTISE",
    parse: parseAdvertised,
    fallback: null as { readonly host: string; readonly port: number | undefined } | null,
    doc: "Where others reach FERRY_INBOUND, as host or host:port, when that is not where it listens. Unset: where it listens; for 0.0.0.0 and :: this machine's first address that is not loopback.",
  },
  outbound: {
    env: "FERRY_OUTBOUND",
    parse: parseAddress,
    fallback: null as Address | null,
    doc: "Where the application reaches the mesh (a gateway: where the world does). Default 127.0.0.1:0, gateway 127.0.0.1:8080.",
  },
  upstreams: {
    env: "FERRY_UPSTREAMS",
    parse: parseUpstreams,
    fallback: [] as readonly UpstreamSetting[],
    doc: "Services the application calls, as quote-query:9191,quote-command: watched from the start; with a port each has a listener of its own.",
  },
  admin: {
    env: "FERRY_ADMIN",
    parse: parseAddress,
    fallback: loopback(0),
    doc: "Where the admin server listens; loopback only.",
  },
  home: {
    env: "FERRY_HOME",
    parse: parseText,
    fallback: ".ferry",
    doc: "The folder of the directory registry and of state; two stacks with two homes do not see each other.",
  },
  registry: {
    env: "FERRY_REGISTRY",
    parse: parseOneOf("directory", "consul"),
    fallback: "directory",
    doc: "Where instances are registered and found, and where chains come from: the folder and the mesh configuration on this machine, or Consul.",
  },
  meshConfig: {
    env: "FERRY_MESH_CONFIG",
    parse: parseText,
    fallback: "mesh-config",
    doc: "The folder of config entries, in Consul's form; watched, an edit acts on the next call. With Consul: not read.",
  },
  ...consulRows,
  consulGrpcCheck: {
    env: "FERRY_CONSUL_GRPC_CHECK",
    parse: parseOneOf("on", "off"),
    fallback: "off",
    doc: "With Consul: the agent asks the application's health itself as well, through the sidecar; for an agent that reaches it.",
  },
  descriptors: {
    env: "FERRY_DESCRIPTORS",
    parse: parseText,
    fallback: null as string | null,
    doc: "A buf image or descriptor set that says which methods are idempotent. Unset: asked by reflection.",
  },
  grpcServices: {
    env: "FERRY_GRPC_SERVICES",
    parse: parseList,
    fallback: [] as readonly string[],
    doc: "Full names of the application's gRPC services, which a gateway adds routes for. Unset: asked by reflection.",
  },
  meta: {
    env: "FERRY_META",
    parse: parseMeta,
    fallback: {} as Readonly<Record<string, string>>,
    doc: "Further facts to register, as zone=a,team=x; subset filters can match them.",
  },
  weight: {
    env: "FERRY_WEIGHT",
    parse: parseInteger(0, 65_535),
    fallback: 1,
    doc: "This instance's share of traffic among its target's instances; 0 gets none.",
  },
  appPid: {
    env: "FERRY_APP_PID",
    parse: parseInteger(0, 2 ** 31 - 1),
    fallback: 0,
    doc: "The application's process id, for `ferry status`.",
  },
  drainPropagationMs: {
    env: "FERRY_DRAIN_PROPAGATION",
    parse: parseDurationMs,
    fallback: 1_000,
    unit: "ms",
    doc: "How long a drain goes on taking calls after it has left the registry, until every caller knows.",
  },
  drainGraceMs: {
    env: "FERRY_DRAIN_GRACE",
    parse: parseDurationMs,
    fallback: 30_000,
    unit: "ms",
    doc: "How long a drain then waits for calls under way before it cuts them off.",
  },
  healthIntervalMs: {
    env: "FERRY_HEALTH_INTERVAL",
    parse: parseDurationMs,
    fallback: 1_000,
    unit: "ms",
    doc: "How often the application's health is checked.",
  },
  healthTimeoutMs: {
    env: "FERRY_HEALTH_TIMEOUT",
    parse: parseDurationMs,
    fallback: 500,
    unit: "ms",
    doc: "How long a health check may take.",
  },
  workers: {
    env: "FERRY_WORKERS",
    parse: parseWorkers,
    fallback: 1,
    doc: "Processes that carry calls, behind the same ports; 1: the sidecar's own and no other. Limits on calls and bytes are shared out among them: [how to use many cores](../how-to/workers.md).",
  },
  maxCallsInFlight: {
    env: "FERRY_MAX_CALLS",
    parse: parseInteger(1, 10_000_000),
    fallback: 10_000,
    doc: "Calls under way in one direction; one more is refused with UNAVAILABLE.",
  },
  maxReplayBytes: {
    env: "FERRY_MAX_REPLAY_BYTES",
    parse: parseInteger(0, 1 << 24),
    fallback: 65_536,
    unit: "bytes",
    doc: "What is kept of a request so that it can be sent again; a longer one is not retried.",
  },
  limits: {
    env: "FERRY_LIMITS",
    parse: parseLimits,
    fallback: {} as Partial<Limits>,
    doc: "Limits of connections, of listeners and towards upstreams alike, instead of their defaults; names and reasons are in [SECURITY.md](../../SECURITY.md#limits).",
  },
  edgeControlHeaders: {
    env: "FERRY_EDGE_CONTROL_HEADERS",
    parse: parseOneOf("strip", "keep"),
    fallback: "strip",
    doc: "At a gateway, what becomes of x-ferry-* fields of requests (priority, source, injected faults). keep: only where nobody but the mesh and its testers can reach it.",
  },
  accessLog: {
    env: "FERRY_ACCESS_LOG",
    parse: parseOneOf("on", "off"),
    fallback: "off",
    doc: "One JSON line for each call on standard error.",
  },
  otlpEndpoint: {
    env: "OTEL_EXPORTER_OTLP_ENDPOINT",
    parse: parseText,
    fallback: null as string | null,
    doc: "A collector of OpenTelemetry spans, as http://127.0.0.1:4318. Unset: no spans, only traceparent is passed on.",
  },
  otelServiceName: {
    env: "OTEL_SERVICE_NAME",
    parse: parseText,
    fallback: null as string | null,
    doc: "The name on this process's spans. Unset: made from the service.",
  },
  sampleRatio: {
    env: "OTEL_TRACES_SAMPLER_ARG",
    parse: parseRatio,
    fallback: 1,
    doc: "The share of traces that begin here and are recorded, 0 to 1; a caller's decision is always kept.",
  },
  log: {
    env: "FERRY_LOG",
    parse: parseOneOf("debug", "info", "error"),
    fallback: "info",
    doc: "The least level that is logged.",
  },
} as const satisfies Record<string, SettingRow<unknown>>;

export type SidecarSettings = SettingsOf<typeof sidecarRows>;

/** Reads the rows; problems are for people and name every mistake at once. */
export function readSidecarSettings(env: NodeJS.ProcessEnv): SettingsResult<typeof sidecarRows> {
  const result = readSettings(sidecarRows, env, settingNames);
  if ("problems" in result) return result;
  if (result.settings.role === "sidecar" && result.settings.app === null) {
    return { problems: [{ env: "FERRY_APP", value: undefined, expected: sidecarRows.app.doc }] };
  }
  return result;
}

/** Names go into `:authority`, file names and URLs. */
function parseServiceName(text: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(text)) {
    throw new Error("a service name: 1 to 63 lower-case letters, digits and -, not beginning with -");
  }
  return text;
}

function parseInstanceId(text: string): string {
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(text)) {
    throw new Error("an id: 1 to 63 lower-case letters, digits, ., _ and -, beginning with a letter or digit");
  }
  return text;
}

function parseAdvertised(text: string): { readonly host: string; readonly port: number | undefined } {
  if (/^[^\s:[\]/]+$/.test(text)) return { host: text, port: undefined };
  try {
    return parseAddress(text);
  } catch {
    throw new Error("a host or host:port that others can dial, as 10.0.0.7 or mesh-3.example:21000");
  }
}

function parseUpstreams(text: string): readonly UpstreamSetting[] {
  return parseList(text).map((part) => {
    const [name = "", port, rest] = part.split(":");
    if (rest !== undefined) throw new Error("a list of name or name:port, as quote-query:9191,quote-command");
    return {
      name: parseServiceName(name),
      port: port === undefined ? undefined : parseInteger(0, 65_535)(port),
    };
  });
}

function parseRatio(text: string): number {
  const ratio = Number(text);
  if (!(ratio >= 0 && ratio <= 1)) throw new Error("a number from 0 to 1");
  return ratio;
}

function parseMeta(text: string): Readonly<Record<string, string>> {
  const pairs = parseList(text).map((part): [string, string] => {
    const equals = part.indexOf("=");
    if (equals < 1) throw new Error("a list of key=value, as zone=a,team=x");
    return [part.slice(0, equals), part.slice(equals + 1)];
  });
  return Object.fromEntries(pairs);
}
