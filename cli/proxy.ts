// `ferry proxy`: the data plane alone, between a listener and one upstream. Runs in this process until Ctrl-C or
// SIGTERM, which drain it; a second signal does not wait.

import { Command } from "commander";
import { jsonLog } from "../common/json-log.ts";
import { formatAddress } from "../common/settings.ts";
import type { Limits } from "../sidecar/http2/limits.ts";
import { parseLimits } from "../sidecar/http2/parse-limits.ts";
import { type ProxyParams, startProxy } from "../sidecar/proxy.ts";
import { parseWorkers } from "../sidecar/worker/parse-workers.ts";
import { openConsole } from "./console.ts";
import { CommandError, exitOk, reasonOf, UsageError } from "./exit.ts";
import { readAddress } from "./grpc/address.ts";
import { untilSignal } from "./supervise/until-signal.ts";

/** As commander hands them over. */
export interface ProxyTlsOptions {
  tlsCert?: string;
  tlsKey?: string;
  tlsClientCa?: string;
  upstreamTls?: boolean;
  upstreamCa?: string;
  upstreamServerName?: string;
}

interface ProxyOptions extends ProxyTlsOptions {
  listen: string;
  upstream: string;
  workers: string;
  limits?: string;
  json?: boolean;
}

const drainGraceMs = 30_000;

export function proxyCommand(finish: (code: number) => void): Command {
  return new Command("proxy")
    .description("run the data plane alone, in front of one HTTP/2 server")
    .option("--listen <host:port>", "where to listen; port 0 takes a free one", "127.0.0.1:0")
    .requiredOption("--upstream <host:port>", "the server that every call goes to")
    .option("--workers <number>", "processes that share the port; auto: one a core", "1")
    .option("--limits <list>", "as maxConcurrentStreams=256,idleMs=60000; SECURITY.md has the names")
    .option("--tls-cert <file>", "listen by TLS with this certificate (PEM, its authorities behind it); followed")
    .option("--tls-key <file>", "the certificate's key (PEM)")
    .option("--tls-client-ca <file>", "demand client certificates of these authorities (PEM)")
    .option("--upstream-tls", "dial the upstream by TLS")
    .option("--upstream-ca <file>", "trust these authorities (PEM) instead of the system's")
    .option("--upstream-server-name <name>", "the name in the upstream's certificate; default: its host")
    .option("--json", "one JSON object a line on stdout")
    .action(async (options: ProxyOptions) => finish(await proxy(options)));
}

async function proxy(options: ProxyOptions): Promise<number> {
  const out = openConsole("proxy", options.json === true);
  const workers = readWorkers(options.workers);
  const listen = readAddress("--listen", options.listen);
  const upstream = readAddress("--upstream", options.upstream);
  const limits = readLimits(options.limits);
  const tls = readProxyTls(options);
  const isTls = tls.tls !== undefined;
  const log = jsonLog("proxy", "info");
  const signal = untilSignal();
  try {
    const running = await startProxy({ listen, upstream, log, limits, workers, ...tls }).catch((error: unknown) => {
      const isFile = error instanceof Error && error.name === "TlsFileError";
      throw new CommandError(isFile ? error.message : `cannot listen on ${formatAddress(listen)}: ${reasonOf(error)}`);
    });
    const { listen: at, admin } = running;
    const [from, to] = [isTls, tls.upstreamTls !== undefined].map((is) => (is ? " (TLS)" : ""));
    out.say(`${at}${from} to ${formatAddress(upstream)}${to}; admin on ${admin}; Ctrl-C drains it`);
    out.event("ready", { listen: at, ...(isTls && { tls: true }), admin, pid: process.pid });
    await signal.first;
    signal.onImpatience(() => running.hurry());
    await running.drain(drainGraceMs);
    return exitOk;
  } finally {
    signal.close();
  }
}

function readWorkers(text: string): number {
  try {
    return parseWorkers(text);
  } catch (error) {
    throw new UsageError(`--workers ${text}: expected ${reasonOf(error)}`);
  }
}

function readLimits(text: string | undefined): Partial<Limits> {
  if (text === undefined) return {};
  try {
    return parseLimits(text);
  } catch (error) {
    const reason = reasonOf(error);
    throw new UsageError(`--limits "${text}": ${reason.startsWith("no ") ? reason : `expected ${reason}`}`);
  }
}

/** The options of TLS on both sides. */
export function readProxyTls(options: ProxyTlsOptions): Pick<ProxyParams, "tls" | "upstreamTls"> {
  return { ...readListenerTls(options), ...readUpstreamTls(options) };
}

function readListenerTls({ tlsCert, tlsKey, tlsClientCa }: ProxyTlsOptions): Pick<ProxyParams, "tls"> {
  if (tlsCert === undefined && tlsKey === undefined) {
    if (tlsClientCa !== undefined) throw new UsageError("--tls-client-ca: expected --tls-cert and --tls-key with it");
    return {};
  }
  if (tlsKey === undefined) throw new UsageError("--tls-cert: expected --tls-key with it");
  if (tlsCert === undefined) throw new UsageError("--tls-key: expected --tls-cert with it");
  const files = { certFile: tlsCert, keyFile: tlsKey };
  return { tls: tlsClientCa === undefined ? files : { ...files, clientCaFile: tlsClientCa } };
}

function readUpstreamTls(options: ProxyTlsOptions): Pick<ProxyParams, "upstreamTls"> {
  const { upstreamTls: isTls, upstreamCa: caFile, upstreamServerName: serverName } = options;
  if (isTls !== true) {
    const lone = caFile !== undefined ? "--upstream-ca" : serverName !== undefined ? "--upstream-server-name" : "";
    if (lone !== "") throw new UsageError(`${lone}: expected --upstream-tls with it`);
    return {};
  }
  return { upstreamTls: { ...(caFile !== undefined && { caFile }), ...(serverName !== undefined && { serverName }) } };
}
