// Who may import whom, as data: the only place where the directions are written down. check-imports.ts enforces it.
//
// A zone is a folder or a file; the longest matching path wins. A file may always import its own zone and `gen/`.
// Nothing else is allowed that is not listed. Sidecar and services meet on the wire only: neither lists the other.

export interface Zone {
  /** Folder or file, relative to the root. */
  readonly path: string;
  /** Folders and files that it may import. */
  readonly may: readonly string[];
  /** Folders and files of which it may import types only. */
  readonly mayTypes?: readonly string[];
  readonly why: string;
}

// The words in which the parts of the sidecar talk about a call, and what every part does with one alike.
const vocabulary = [
  "sidecar/call.ts",
  "sidecar/stack.ts",
  "sidecar/pending-reply.ts",
  "sidecar/reply-fields.ts",
  "sidecar/failure.ts",
  "sidecar/field-role.ts",
  "sidecar/decision.ts",
  "sidecar/priority.ts",
  "sidecar/as-failure.ts",
  "sidecar/outgoing-fields.ts",
  "sidecar/send-request.ts",
  "sidecar/grpc",
];
const wire = ["common", "sidecar/http2"];
// Shapes that the control part and the data part share; types only, so that neither pulls the other in.
const sharedShapes = [
  "sidecar/discovery/registry.ts",
  "sidecar/routing/chain-source.ts",
  "sidecar/routing/route-table.ts",
  "sidecar/routing/snapshot.ts",
  "sidecar/routing/discovery-chain.ts",
  "sidecar/routing/policy",
  "sidecar/telemetry/trace-context.ts",
];
// What stands between the vocabulary and the stacks: each knows the call, none knows another.
const siblings = ["discovery", "routing", "resilience", "identity", "telemetry", "descriptors"];

export const zones: readonly Zone[] = [
  { path: "common", may: [], why: "all may import it, so it imports nothing" },
  { path: "gen", may: [], why: "generated from proto/" },

  { path: "sidecar/http2", may: ["common"], why: "a protocol library that knows nothing of a mesh" },
  {
    path: "sidecar/grpc",
    may: [...wire, "sidecar/failure.ts", "sidecar/pending-reply.ts"],
    mayTypes: vocabulary,
    why: "gRPC's meaning of fields, on top of HTTP/2",
  },
  { path: "sidecar/transport", may: wire, why: "connections; knows neither calls nor routes" },
  {
    path: "sidecar",
    may: [...wire, ...vocabulary, "sidecar/telemetry/trace-context.ts"],
    mayTypes: sharedShapes,
    why: "files directly in sidecar/ are the vocabulary; they know no layer",
  },
  ...siblings.map((name) => ({
    path: `sidecar/${name}`,
    may: [...wire, ...vocabulary],
    mayTypes: sharedShapes,
    why: "knows the call, never another part of the sidecar",
  })),
  { path: "sidecar/outbound", may: ["sidecar", "common"], why: "a stack knows every layer" },
  { path: "sidecar/inbound", may: ["sidecar", "common"], why: "a stack knows every layer" },
  { path: "sidecar/edge", may: ["sidecar", "common"], why: "the gateway's own answers: reflection and health" },
  { path: "sidecar/admin", may: ["sidecar", "common"], why: "shows what the other parts do" },
  {
    path: "sidecar/control.ts",
    may: ["common", "sidecar/discovery", "sidecar/routing", "sidecar/descriptors"],
    why: "the control part makes snapshots and knows no call",
  },
  { path: "sidecar/admin-view.ts", may: ["sidecar", "common"], why: "composes what the admin server shows" },
  {
    path: "sidecar/app-side.ts",
    may: ["sidecar", "common"],
    why: "composes health checks, reflection and registration",
  },
  { path: "sidecar/gateway-edge.ts", may: ["sidecar", "common"], why: "composes the gateway's own answers" },
  { path: "sidecar/observation.ts", may: ["sidecar", "common"], why: "composes metrics, spans and the access log" },
  { path: "sidecar/gateway-routes.ts", may: ["sidecar", "common"], why: "composes the gateway's routes" },
  {
    path: "sidecar/data-part.ts",
    may: ["sidecar", "common"],
    why: "the shapes in which both kinds of data part are told",
  },
  {
    path: "sidecar/local-data-part.ts",
    may: ["sidecar", "common"],
    why: "composes the data plane and what it records",
  },
  { path: "sidecar/worker", may: ["sidecar", "common"], why: "composes the data part out of processes" },
  { path: "sidecar/data-plane.ts", may: ["sidecar", "common"], why: "composes listeners, stacks and the pool" },
  { path: "sidecar/mesh-backend.ts", may: ["sidecar", "common"], why: "opens the registry and the chains" },
  { path: "sidecar/consul-backend.ts", may: ["sidecar", "common"], why: "composes what stands on Consul" },
  { path: "sidecar/settings.ts", may: [...wire, "sidecar/worker/parse-workers.ts"], why: "every setting as a row" },
  { path: "sidecar/drain-entrance.ts", may: ["sidecar", "common"], why: "ends a listener and its calls" },
  { path: "sidecar/proxy.ts", may: ["sidecar", "common"], why: "composes the data part alone" },
  { path: "sidecar/sidecar.ts", may: ["sidecar", "common"], why: "the composition root" },
  { path: "sidecar/main.ts", may: ["sidecar", "common"], why: "the process" },

  { path: "services/kit", may: ["common"], why: "serves any gRPC service; knows no quote" },
  { path: "services/events", may: ["common"], why: "the log; knows records, not decisions" },
  { path: "services/read-model", may: ["common", "services/events"], why: "rows made from records" },
  ...["quote-command", "quote-projector", "quote-query"].map((name) => ({
    path: `services/${name}`,
    may: ["common", "services/kit", "services/events", "services/read-model"],
    why: "a service knows the kit and the log, never another service",
  })),
  { path: "rollout", may: ["common"], why: "talks to sidecars and registry by their APIs" },

  {
    path: "cli",
    may: [
      "common",
      "sidecar/routing",
      "sidecar/discovery",
      "sidecar/admin",
      "sidecar/descriptors/method-traits.ts",
      "sidecar/proxy.ts",
      "sidecar/http2/header-field.ts",
      "sidecar/http2/limits.ts",
      "sidecar/http2/parse-limits.ts",
      "sidecar/worker/parse-workers.ts",
      "services/events/settings.ts",
      "services/events/jetstream",
      "services/read-model/settings.ts",
      "services/read-model/postgres/database-address.ts",
    ],
    why: "starts the other parts as processes; plans what they find on NATS, and says where their servers are",
  },
  { path: "dashboard", may: ["common"], why: "talks to sidecars by their admin API" },

  {
    path: "scripts",
    may: ["common", "sidecar", "services", "cli/settings.ts"],
    why: "checks, and pages made from the tables in the code",
  },
  {
    path: "bench",
    may: ["common", "sidecar", "scripts/check-docs.ts"],
    why: "measures the sidecar's parts, and asks which layers there are",
  },
  { path: "e2e", may: ["common", "examples", "scripts"], why: "sees the system from outside, as processes" },
  { path: "examples", may: ["common"], why: "what a user would write" },
  { path: "vitest.config.ts", may: [], why: "test runner's configuration" },
  { path: "vitest.int.config.ts", may: [], why: "test runner's configuration" },
  { path: "vitest.uncached.config.ts", may: ["vitest.config.ts"], why: "test runner's configuration" },
];

/** Tests build real stacks and real services: within these folders they may import everything, and e2e/testing. */
export const testReach: readonly string[] = ["sidecar", "services", "common", "cli", "bench", "scripts"];

export interface Exception {
  /** Folder, file, or `*` and a suffix. */
  readonly path: string;
  readonly reason: string;
}

/** Where `process.env` may be read. */
export const mayReadEnvironment: readonly Exception[] = [
  { path: "*/settings.ts", reason: "the settings tables" },
  { path: "*/main.ts", reason: "hands the environment to the settings table" },
  { path: "*.test.ts", reason: "passes its environment on to processes that it starts" },
  { path: "*/testing", reason: "processes that tests start" },
  { path: "e2e", reason: "passes its environment on; names of tools come in FERRY_GRPCURL and FERRY_PYTHON" },
  { path: "bench", reason: "passes its environment on to the peers" },
  { path: "scripts", reason: "passes its environment on to tools" },
  { path: "examples", reason: "passes its environment on to the clients" },
];

/** Where the process's clock may be used directly instead of common/clock.ts. */
export const mayUseRealTime: readonly Exception[] = [
  { path: "common/clock.ts", reason: "the one door to time" },
  { path: "*.test.ts", reason: "measures and bounds real waits on sockets and processes" },
  { path: "*.suite.ts", reason: "as tests" },
  { path: "*/testing", reason: "parts of tests" },
  { path: "e2e", reason: "watches real processes in real time" },
  { path: "bench", reason: "measures" },
  { path: "scripts", reason: "bounds the tools that it runs" },
  { path: "examples", reason: "what a user would write, without our libraries" },
];

/** Whether `path` falls under one of `exceptions`. */
export function isExcepted(path: string, exceptions: readonly Exception[]): boolean {
  return exceptions.some(({ path: pattern }) => {
    if (!pattern.startsWith("*")) return isUnder(path, pattern);
    const rest = pattern.slice(1);
    return path.endsWith(rest) || (!rest.includes(".") && path.includes(`${rest}/`));
  });
}

/** Whether `path` is `zone` itself or lies within it. */
export function isUnder(path: string, zone: string): boolean {
  return path === zone || path.startsWith(`${zone}/`);
}

/** The zone of `path`: the longest that matches. */
export function zoneOf(path: string): Zone | undefined {
  return zones.filter((zone) => isUnder(path, zone.path)).sort((a, b) => b.path.length - a.path.length)[0];
}

const isTest = /(\.test\.ts|\.suite\.ts)$|(^|\/)testing\//;

/** The rule that forbids the import, or undefined when it is allowed. */
export function forbiddenBy(from: string, to: string, isTypeOnly: boolean): string | undefined {
  const zone = zoneOf(from);
  if (zone === undefined) return `${from} is in no zone of scripts/import-rules.ts`;
  const target = zoneOf(to);
  if (target === undefined) return `${to} is in no zone of scripts/import-rules.ts`;
  if (target.path === zone.path || isUnder(to, "gen")) return undefined;
  if (zone.may.some((path) => isUnder(to, path))) return undefined;
  if (isTypeOnly && zone.mayTypes?.some((path) => isUnder(to, path))) return undefined;
  const top = from.split("/")[0]!;
  if (isTest.test(from) && testReach.includes(top) && (isUnder(to, top) || isUnder(to, "common"))) return undefined;
  if (isTest.test(from) && isUnder(to, "e2e/testing")) return undefined;
  return `not allowed from ${zone.path}: ${zone.why} (scripts/import-rules.ts)`;
}
