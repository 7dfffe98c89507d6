// The data part by itself: one listener, one upstream at a fixed address, the default layers of the way out, and no
// registry, configuration or identity. What `ferry proxy` runs: the target for conformance tools and load generators,
// and for people who want to try the data plane alone. Its admin server listens on a free port of loopback. Either side
// may be TLS, from PEM files that are followed.

import { systemClock } from "../common/clock.ts";
import type { JsonLog } from "../common/json-log.ts";
import { randomHex, systemRandom } from "../common/random.ts";
import { type Address, formatAddress } from "../common/settings.ts";
import { startAdminServer } from "./admin/admin-server.ts";
import type { AdminStatus } from "./admin/admin-source.ts";
import { ejectedByUpstream, endpointsOf } from "./admin-view.ts";
import { DataPlane, type DataPlaneDeps } from "./data-plane.ts";
import type { Endpoint } from "./discovery/registry.ts";
import { drainEntrance } from "./drain-entrance.ts";
import type { Limits } from "./http2/limits.ts";
import { startObservation } from "./observation.ts";
import { compileSnapshot } from "./routing/compile-snapshot.ts";
import { compileChain } from "./routing/local-compiler.ts";
import { emptyMeshConfig } from "./routing/mesh-config/mesh-config.ts";
import { sidecarRows } from "./settings.ts";
import { ejectionGauge } from "./telemetry/ejection-gauge.ts";
import { limitMetrics } from "./telemetry/limit-metrics.ts";
import { tlsDialer } from "./transport/tls-dial.ts";
import { followTlsFiles, type TlsFileEvents } from "./transport/tls-files.ts";

export interface ProxyParams {
  readonly listen: Address;
  readonly upstream: Address;
  readonly log: JsonLog;
  /** Of connections on both sides, instead of the defaults of http2/limits.ts. */
  readonly limits?: Partial<Limits>;
  /** The listener takes TLS only. */
  readonly tls?: ProxyTls;
  /** The upstream is dialled by TLS. */
  readonly upstreamTls?: ProxyUpstreamTls;
}

export interface ProxyTls {
  readonly certFile: string;
  readonly keyFile: string;
  /** Clients must show a certificate of one of these authorities. */
  readonly clientCaFile?: string;
}

export interface ProxyUpstreamTls {
  /** Default: the system's authorities. */
  readonly caFile?: string;
  /** Default: the upstream's host. */
  readonly serverName?: string;
}

export interface RunningProxy {
  /** `host:port`. */
  readonly listen: string;
  readonly admin: string;
  /** GOAWAY, waits for the calls that are under way, ends everything; after `graceMs` they are cut off. */
  drain(graceMs: number): Promise<void>;
  /** Whoever waits for the drain waits no longer. */
  hurry(): void;
}

const clock = systemClock;
/** The name that stands for the upstream in metrics and failures. */
const name = "upstream";

/**
 * Rejects with the operating system's error when it cannot listen, with TlsFileError when TLS files are wrong. The
 * upstream may come later.
 */
export async function startProxy(params: ProxyParams): Promise<RunningProxy> {
  const { listen, upstream, log, limits = {} } = params;
  const open = { connections: () => connections(), callsInFlight: () => data.callsInFlight };
  const observation = await startObservation(
    {
      ...{ service: name, instance: `proxy-${process.pid}`, version: "", isGateway: false },
      ...{ otlpEndpoint: null, otelServiceName: null, hasAccessLog: false },
    },
    { clock, open, isKnownMethod: () => false, write: () => {} },
  );
  const { metrics, recorders } = observation;
  const onForcedClose = (reason: string, detail: string) => {
    metrics.countForcedClose(reason);
    log.info("connection closed by us", { reason, detail });
  };
  const tls = await openTls(params);
  const data = new DataPlane(
    {
      maxCallsInFlight: sidecarRows.maxCallsInFlight.fallback,
      maxReplayBytes: sidecarRows.maxReplayBytes.fallback,
      limits,
    },
    {
      clock,
      random: systemRandom,
      sources: { nowMs: () => clock.nowMs(), randomHex, sampleNew: () => false },
      recorders,
      want: () => {},
      onRetry: (routed, outcome) => metrics.countRetry(routed, outcome),
      onAdmissionChange: (target, { state, method, reason }) => {
        if (reason !== undefined) metrics.countEjection(target, reason);
        log.info("upstream changed admission", { state, method, reason });
      },
      onForcedClose,
      onRefused: (reason) => metrics.countRefusedStream(reason),
      ...tls.deps,
      reportDefect: (error, requestId) => log.error("defect", { error, requestId }),
    },
  );
  const connections = () => ({ outbound: entrance.listening.connections, pool: data.pool.connections });
  limitMetrics(observation.registry, () => data.limitReadings());
  ejectionGauge(observation.registry, () => ejectedByUpstream(data));
  data.apply(snapshotOf(upstream));
  const entrance = await data.openOutbound(listen, () => name);
  const hurry = new AbortController();
  let state: AdminStatus["state"] = "ready";
  const at = formatAddress(entrance.listening);
  const admin = await startAdminServer(
    { host: "127.0.0.1", port: 0 },
    {
      status: () => ({
        ...{ service: name, instanceId: `proxy-${process.pid}`, version: "", role: "gateway", state },
        ...{ appHealth: "unknown", reason: "", inbound: "", outbound: at, pid: process.pid },
        callsInFlight: data.callsInFlight,
      }),
      config: () => ({ hash: emptyMeshConfig.hash, rejected: [], snapshots: data.upstreams.snapshots() }),
      endpoints: () => endpointsOf(data),
      settings: () => ({
        ...{ listen: at, upstream: formatAddress(upstream), limits },
        ...(params.tls !== undefined && { tls: params.tls }),
        ...(params.upstreamTls !== undefined && { upstreamTls: params.upstreamTls }),
      }),
      metrics: () => observation.registry.snapshot(),
    },
  );
  return {
    listen: at,
    admin: formatAddress(admin),
    async drain(graceMs) {
      state = "draining";
      await drainEntrance(entrance, { graceMs, clock, hurry: hurry.signal });
      await admin.close();
      await data.close();
      await observation.close();
      tls.close();
    },
    hurry: () => hurry.abort(),
  };
}

interface OpenTls {
  /** For the data plane. */
  readonly deps: Pick<DataPlaneDeps, "listenTls" | "makeDialer">;
  close(): void;
}

/** Reads the files of both sides, and follows them until `close`. */
async function openTls({ tls, upstreamTls, log }: ProxyParams): Promise<OpenTls> {
  const events: TlsFileEvents = {
    onReload: (text) => log.info("TLS files changed and are in force", { files: text }),
    onKept: (text) => log.error("TLS files are wrong, what was read before stays in force", { reason: text }),
    onWarning: (text) => log.info("TLS files are taken with a warning", { warning: text }),
  };
  const own = { clock, events };
  const ca = upstreamTls?.caFile;
  const upstream = upstreamTls && (await followTlsFiles({ ...own, ...(ca !== undefined && { caFile: ca }) }));
  const clientCa = tls?.clientCaFile;
  const listener =
    tls &&
    (await followTlsFiles({
      ...{ certFile: tls.certFile, keyFile: tls.keyFile, ...own },
      ...(clientCa !== undefined && { caFile: clientCa }),
    }));
  const clientCertificates = clientCa === undefined ? "none" : "required";
  const serverName = upstreamTls?.serverName;
  return {
    deps: {
      ...(listener && { listenTls: { source: listener, clientCertificates } }),
      ...(upstream && {
        makeDialer: (itsClock, options) =>
          tlsDialer(itsClock, { ...options, source: upstream, ...(serverName !== undefined && { serverName }) }),
      }),
    },
    close() {
      upstream?.close();
      listener?.close();
    },
  };
}

function snapshotOf({ host, port }: Address) {
  const compiled = compileChain(emptyMeshConfig.set, name);
  if (!compiled.ok) throw new Error(compiled.problem.expected);
  const endpoint: Endpoint = {
    ...{ id: formatAddress({ host, port }), service: name, version: "", host, port },
    ...{ weight: 1, health: "passing", meta: {} },
  };
  const instances = new Map([[name, [endpoint]]]);
  return compileSnapshot({ upstream: name, revision: 1, chain: compiled.chain, instances, methods: {} });
}
