// The data part by itself: one listener, one upstream at a fixed address, the default layers of the way out, and no
// registry, configuration or identity. What `ferry proxy` runs: the target for conformance tools and load generators,
// and for people who want to try the data plane alone. Its admin server listens on a free port of loopback. Either side
// may be TLS, from PEM files that are followed.

import { systemClock } from "../common/clock.ts";
import type { JsonLog } from "../common/json-log.ts";
import { type Address, formatAddress } from "../common/settings.ts";
import { startAdminServer } from "./admin/admin-server.ts";
import type { AdminStatus } from "./admin/admin-source.ts";
import type { ControlUpdate, DataPartParams } from "./data-part.ts";
import type { Endpoint } from "./discovery/registry.ts";
import type { Limits } from "./http2/limits.ts";
import { compileSnapshot } from "./routing/compile-snapshot.ts";
import { compileChain } from "./routing/local-compiler.ts";
import { emptyMeshConfig } from "./routing/mesh-config/mesh-config.ts";
import { sidecarRows } from "./settings.ts";
import { followTlsFiles, type TlsFileEvents } from "./transport/tls-files.ts";
import { tuneEngine } from "./tune-engine.ts";
import { startDataPart } from "./worker/start-data-part.ts";

export interface ProxyParams {
  readonly listen: Address;
  readonly upstream: Address;
  readonly log: JsonLog;
  /** Of connections on both sides, instead of the defaults of http2/limits.ts. */
  readonly limits?: Partial<Limits>;
  /** Processes that share the port; default 1, this one. */
  readonly workers?: number;
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
  tuneEngine();
  const { listen, upstream, log, limits = {}, workers = 1 } = params;
  const tls = await openTls(params);
  const data = await startDataPart(
    workers,
    {
      plane: {
        maxCallsInFlight: sidecarRows.maxCallsInFlight.fallback,
        maxReplayBytes: sidecarRows.maxReplayBytes.fallback,
        limits,
      },
      observation: {
        ...{ service: name, instance: `proxy-${process.pid}`, version: "", isGateway: false },
        ...{ otlpEndpoint: null, otelServiceName: null, hasAccessLog: false },
      },
      sampleRatio: 0,
      ...tls.params,
    },
    { log, want: () => {} },
  );
  tls.follow((update) => data.apply(update));
  data.apply({ kind: "snapshot", snapshot: snapshotOf(upstream) });
  const entrance = await data.open({ way: "outbound", at: listen, upstream: name }).catch(async (error: unknown) => {
    tls.close();
    await data.close();
    throw error;
  });
  const hurry = new AbortController();
  let state: AdminStatus["state"] = "ready";
  const at = formatAddress({ host: entrance.host, port: entrance.port });
  const admin = await startAdminServer(
    { host: "127.0.0.1", port: 0 },
    {
      refresh: (what) => data.refresh(what),
      status: () => ({
        ...{ service: name, instanceId: `proxy-${process.pid}`, version: "", role: "gateway", state },
        ...{ appHealth: "unknown", reason: "", inbound: "", outbound: at, pid: process.pid },
        callsInFlight: data.callsInFlight,
      }),
      config: () => {
        return { hash: emptyMeshConfig.hash, rejected: [], snapshots: data.snapshots(), workers: data.workers() };
      },
      endpoints: () => data.endpoints(),
      settings: () => ({
        ...{ listen: at, upstream: formatAddress(upstream), limits, workers },
        ...(params.tls !== undefined && { tls: params.tls }),
        ...(params.upstreamTls !== undefined && { upstreamTls: params.upstreamTls }),
      }),
      metrics: () => data.metrics(),
    },
  );
  return {
    listen: at,
    admin: formatAddress(admin),
    async drain(graceMs) {
      state = "draining";
      await entrance.drain({ graceMs, hurry: hurry.signal });
      await admin.close();
      await data.close();
      tls.close();
    },
    hurry: () => hurry.abort(),
  };
}

interface OpenTls {
  readonly params: Pick<DataPartParams, "listenerTls" | "upstreamTls">;
  /** Tells of changed files, until `close`. */
  follow(apply: (update: ControlUpdate) => void): void;
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
    params: {
      ...(listener && { listenerTls: { material: listener.current, clientCertificates } }),
      ...(upstream && { upstreamTls: { material: upstream.current, ...(serverName !== undefined && { serverName }) } }),
    },
    follow(apply) {
      listener?.onChange((material) => apply({ kind: "listenerTls", material }));
      upstream?.onChange((material) => apply({ kind: "upstreamTls", material }));
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
