// `ferry run`: puts Ferry beside any gRPC service. Starts the sidecar, then the command; registers it once it is
// healthy; on SIGTERM takes it out of rotation, drains, and ends the command. Ends with the command's exit code.

import { constants } from "node:os";
import { Command } from "commander";
import { systemClock, wait } from "../common/clock.ts";
import { systemRandom } from "../common/random.ts";
import { parseDurationMs } from "../common/settings.ts";
import { openAdminClient } from "./admin-client.ts";
import { type Console, openConsole } from "./console.ts";
import { CommandError, reasonOf, UsageError } from "./exit.ts";
import { readAddress } from "./grpc/address.ts";
import { type CliSettings, readCliSettings } from "./settings.ts";
import { type ChildExit, describeExit, exitCodeOf } from "./supervise/child.ts";
import { readStack } from "./supervise/home.ts";
import { type AppSurroundings, Instance, type InstanceSpec } from "./supervise/instance.ts";
import { findMeshConfig } from "./supervise/mesh-config-dir.ts";
import { Reaper } from "./supervise/reaper.ts";
import { type UntilSignal, untilSignal } from "./supervise/until-signal.ts";

interface RunOptions {
  service: string;
  app: string;
  upstream: string[];
  version: string;
  instance?: string;
  grpcService: string[];
  inbound?: string;
  outbound?: string;
  startTimeout: string;
  home?: string;
  meshConfig?: string;
  json?: boolean;
}

const collect = (text: string, all: string[]) => [...all, text];
const lookEveryMs = 100;
/** Beyond the processes' own drain grace. */
const marginMs = 5000;

export function runCommand(finish: (code: number) => void): Command {
  return new Command("run")
    .description("run any gRPC service with a sidecar beside it")
    .requiredOption("--service <name>", "the service that the command is an instance of")
    .requiredOption("--app <host:port>", "where the command listens; with port 0 it is told a free one in FERRY_APP")
    .option("--upstream <name[:port]>", "a service that the command calls; may be given several times", collect, [])
    .option("--version <version>", "the deployed version, as v1", "")
    .option("--instance <id>", "the instance's id; default: the service and our process id")
    .option("--grpc-service <pkg.Service>", "a gRPC service it serves; default: asked by reflection", collect, [])
    .option("--inbound <host:port>", "where other sidecars reach it; default: a free port of 127.0.0.1")
    .option("--outbound <host:port>", "where the command reaches the mesh; default: a free port of 127.0.0.1")
    .option("--start-timeout <duration>", "how long the command may take until it is healthy", "60s")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("--mesh-config <dir>", "the mesh configuration (FERRY_MESH_CONFIG)")
    .option("--json", "one JSON object a line on stdout, beside what the command prints")
    .argument("<command...>", "the command and its arguments, after --")
    .action(async (command: string[], options: RunOptions) => finish(await run(command, options)));
}

async function run(command: string[], options: RunOptions): Promise<number> {
  const out = openConsole("run", options.json === true);
  const settings = readCliSettings(options.home);
  const startTimeoutMs = readStartTimeout(options.startTimeout);
  const spec = instanceSpec(command, options, settings);
  const reaper = new Reaper();
  const signal = untilSignal();
  const instance = new Instance(spec, {
    ...{ reaper, clock: systemClock, random: systemRandom },
    onTrouble: (sentence) => out.warn(`ferry: ${sentence}`),
    onStart: ({ name, pid, where }) => out.say(`ferry: ${name} (pid ${pid}) ${where}`),
  });
  const graceMs = drainGraceMs(settings.childEnv) + marginMs;
  try {
    await Promise.race([instance.start(), signal.first]);
    if (!signal.isGiven) await stayUp({ instance, signal, out, startTimeoutMs, home: settings.home });
  } finally {
    signal.onImpatience(() => instance.kill());
    await instance.stop({ sidecarMs: graceMs, appMs: graceMs });
    await reaper.close();
    signal.close();
  }
  return lastWord(await instance.appExited, out);
}

function lastWord(exit: ChildExit, out: Console): number {
  const code = exitCodeOf(exit, constants.signals);
  out.say(`ferry: the command ${describeExit(exit)}`);
  out.event("exit", { code, signal: exit.signal });
  return code;
}

function instanceSpec(command: string[], options: RunOptions, settings: CliSettings): InstanceSpec {
  const [program, ...args] = command;
  if (program === undefined) throw new UsageError("expected a command after --, as: ferry run … -- python3 server.py");
  const { home, childEnv } = settings;
  for (const upstream of options.upstream) {
    if (!/^[a-z0-9][a-z0-9-]*(:\d{1,5})?$/.test(upstream)) {
      throw new UsageError(`--upstream ${upstream}: expected name or name:port, as quote-query:9191`);
    }
  }
  const sidecarSettings: Record<string, string> = {};
  if (options.inbound !== undefined) sidecarSettings.FERRY_INBOUND = checked("--inbound", options.inbound);
  if (options.outbound !== undefined) sidecarSettings.FERRY_OUTBOUND = checked("--outbound", options.outbound);
  return {
    id: options.instance ?? `${options.service}-${process.pid}`,
    service: options.service,
    version: options.version,
    home,
    meshConfig: findMeshConfig({
      option: options.meshConfig,
      optionName: "--mesh-config",
      setting: settings.meshConfig,
      home,
    }),
    app: readAddress("--app", options.app),
    upstreams: options.upstream.map((upstream) => (upstream.includes(":") ? upstream : `${upstream}:0`)),
    grpcServices: options.grpcService,
    env: childEnv,
    sidecarSettings,
    mayRestartApp: false,
    appProgram: (surroundings) => ({
      command: program,
      args,
      env: { ...childEnv, ...appEnv(surroundings) },
      logFile: undefined,
      readyTimeoutMs: 0,
    }),
  };
}

/** What the command is told: where to listen, and where its way out and its upstreams are. */
export function appEnv({ listen, outbound, upstreams }: AppSurroundings): Record<string, string> {
  const env: Record<string, string> = { FERRY_APP: listen, FERRY_OUTBOUND: outbound };
  for (const [name, address] of Object.entries(upstreams)) {
    env[`FERRY_UPSTREAM_${name.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`] = address;
  }
  return env;
}

interface StayParams {
  readonly instance: Instance;
  readonly signal: UntilSignal;
  readonly out: Console;
  readonly startTimeoutMs: number;
  readonly home: string;
}

/** From "both are started" to the signal or the command's end. */
async function stayUp(params: StayParams): Promise<void> {
  const { instance, signal, out, startTimeoutMs, home } = params;
  const ended = instance.appExited;
  const over = new AbortController();
  const healthy = waitUntilHealthy(instance, startTimeoutMs, over.signal).then(() => "healthy" as const);
  healthy.catch(() => {}); // When the command ended first, that is what is told.
  const outcome = await Promise.race([healthy, ended, signal.first]).finally(() => over.abort());
  if (outcome !== "healthy") return;
  const { id, service } = instance.spec;
  const { inbound, outbound, admin, upstreams } = instance.addresses;
  const gateway = readStack(home)?.gateway ?? null;
  const reach = gateway === null ? "" : `, reachable through the gateway at ${gateway}`;
  out.say(`ferry: ${id} is healthy and registered as ${service}${reach}`);
  const pids = { pid: process.pid, appPid: instance.appPid, sidecarPid: instance.sidecarPid };
  out.event("ready", { id, service, app: instance.listen, inbound, outbound, admin, upstreams, gateway, ...pids });
  await Promise.race([ended, signal.first]);
}

/** By the sidecar's own view, so that there is one truth. */
async function waitUntilHealthy(instance: Instance, timeoutMs: number, aborted: AbortSignal): Promise<void> {
  const untilMs = systemClock.nowMs() + timeoutMs;
  let why = "";
  while (systemClock.nowMs() < untilMs) {
    try {
      const status = await openAdminClient(instance.addresses.admin, 1000).getStatus({});
      if (status.state === "ready" && status.appHealth === "passing") return;
      why = status.reason || `its health is ${status.appHealth}`;
    } catch (error) {
      why = `its sidecar does not answer: ${reasonOf(error)}`;
    }
    await wait(systemClock, lookEveryMs, aborted);
  }
  throw new CommandError(
    `the command was not healthy on ${instance.listen} after ${timeoutMs} ms (${why}); is that where it listens?`,
  );
}

function checked(option: string, text: string): string {
  readAddress(option, text);
  return text;
}

function readStartTimeout(text: string): number {
  try {
    return parseDurationMs(text);
  } catch (error) {
    throw new UsageError(`--start-timeout ${text}: expected ${reasonOf(error)}`);
  }
}

function drainGraceMs(env: NodeJS.ProcessEnv): number {
  try {
    return parseDurationMs(env.FERRY_DRAIN_GRACE ?? "30s");
  } catch {
    return 30_000;
  }
}
