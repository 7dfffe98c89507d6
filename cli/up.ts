// `ferry up` (`npm start`): the whole stack, embedded or on the servers that the switches name. Checks what can be
// checked before anything starts, waits for the servers, shows what comes up where, waits until all is healthy, then
// stays until Ctrl-C or SIGTERM, which drain and stop everything. A second Ctrl-C, a second or more after the first,
// does not wait.

import { Command } from "commander";
import { systemClock, wait } from "../common/clock.ts";
import { type Address, formatAddress } from "../common/settings.ts";
import { type Console, openConsole } from "./console.ts";
import { CommandError, exitOk } from "./exit.ts";
import { readAddress } from "./grpc/address.ts";
import { type CliSettings, readCliSettings } from "./settings.ts";
import { collectStatus } from "./status/collect-status.ts";
import { findTroubles, type MeshStatus } from "./status/mesh-status.ts";
import { whyTaken } from "./supervise/free-port.ts";
import { lockHome, removeStack, writeStack } from "./supervise/home.ts";
import { findMeshConfig } from "./supervise/mesh-config-dir.ts";
import { untilSignal } from "./supervise/until-signal.ts";
import { awaitBackends, describeBackends } from "./up/backends.ts";
import { measureIdle, showIdle, withWorkers } from "./up/figures.ts";
import { fillConsul } from "./up/fill-consul.ts";
import { refuseOtherStack } from "./up/other-stack.ts";
import { callsToTry, plannedInstances } from "./up/plan.ts";
import { Stack } from "./up/stack.ts";

interface UpOptions {
  gateway: string;
  home?: string;
  meshConfig?: string;
  json?: boolean;
}

/** How long servers that are wanted and not there are waited for. */
const backendsWaitMs = 60_000;
const healthyTimeoutMs = 60_000;
const lookEveryMs = 250;

export function upCommand(finish: (code: number) => void): Command {
  return new Command("up")
    .description(
      "start the whole system and keep it running; FERRY_REGISTRY, FERRY_EVENTS and FERRY_READ_MODEL choose its parts",
    )
    .option("--gateway <host:port>", "where the gateway listens", "127.0.0.1:8080")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("--mesh-config <dir>", "the mesh configuration (FERRY_MESH_CONFIG)")
    .option("--json", "one JSON object a line on stdout")
    .action(async (options: UpOptions) => finish(await up(options)));
}

async function up(options: UpOptions): Promise<number> {
  const out = openConsole("up", options.json === true);
  const settings = readCliSettings(options.home);
  const { home } = settings;
  const gateway = readAddress("--gateway", options.gateway);
  const meshConfig = findMeshConfig({
    option: options.meshConfig,
    optionName: "--mesh-config",
    setting: settings.meshConfig,
    home,
  });
  await refuseTakenPort(gateway);
  const lock = lockHome(home);
  const signal = untilSignal();
  const env = { FERRY_DRAIN_GRACE: "5s", ...settings.childEnv };
  const stack = new Stack({ home, meshConfig, gateway, env }, stackEvents(out));
  try {
    await standOnBackends({ settings, meshConfig, out, signal });
    if (!signal.isGiven) {
      out.say(`starting in ${home}; logs are in ${home}/logs`);
      await Promise.race([stack.start(), signal.first]);
    }
    const consul = settings.registry === "consul" ? formatAddress(settings.consulAddress) : null;
    if (!signal.isGiven) await stayUp({ stack, home, meshConfig, consul, out, signal });
    out.say("draining and stopping everything");
    signal.onImpatience(() => stack.kill());
    await stack.stop();
    out.say("stopped");
    out.event("stopped", {});
    return exitOk;
  } finally {
    await stack.stop();
    removeStack(home);
    lock.release();
    signal.close();
  }
}

interface StayParams {
  readonly stack: Stack;
  readonly home: string;
  readonly meshConfig: string;
  readonly consul: string | null;
  readonly out: Console;
  readonly signal: ReturnType<typeof untilSignal>;
}

/** From "all are started" to the signal. */
async function stayUp(params: StayParams): Promise<void> {
  const { stack, home, meshConfig, consul, out, signal } = params;
  const { gateway, admin } = stack;
  const startedAt = new Date(systemClock.wallMs()).toISOString();
  const note = () => writeStack(home, { gateway, admin, startedAt, meshConfig, consul, processes: stack.processes });
  note();
  await Promise.race([waitUntilHealthy(home, out, signal), signal.first]);
  if (signal.isGiven) return;
  stack.onChange(note);
  const readyMs = Math.round(systemClock.nowMs());
  const processes = stack.processes.map(({ name, pid }) => ({ name, pid }));
  out.event("ready", { gateway, admin, pid: process.pid, home, processes, readyMs });
  out.say(`\nready after ${(readyMs / 1000).toFixed(1)} s; the gateway is at ${gateway}. Try, in another shell:\n`);
  for (const line of callsToTry(gateway)) out.say(`  ${line}`);
  out.say("\nCtrl-C drains and stops everything.\n");
  const figures = measureIdle(
    [{ name: "ferry up", pid: process.pid }, ...withWorkers(processes)],
    systemClock,
    signal.aborted,
  );
  figures.then(
    (idle) => showIdle(idle, out),
    () => {},
  );
  await signal.first;
}

/** Until all servers that are wanted are there, and Consul has a configuration; ends early with a signal. */
async function standOnBackends(
  params: Pick<StayParams, "meshConfig" | "out" | "signal"> & { settings: CliSettings },
): Promise<void> {
  const { settings, meshConfig, out, signal } = params;
  try {
    const backends = await awaitBackends(settings, {
      ...{ clock: systemClock, waitMs: backendsWaitMs, signal: signal.aborted },
      onProgress: (sentence) => {
        out.say(sentence);
        out.event("waiting", { message: sentence });
      },
    });
    out.say(describeBackends(backends));
    out.event("backends", { backends });
    if (settings.registry !== "consul") return;
    await refuseOtherStack(settings.home);
    await fillConsul(settings, meshConfig, out);
  } catch (error) {
    if (!signal.isGiven) throw error;
  }
}

async function refuseTakenPort(gateway: Address): Promise<void> {
  const why = gateway.port === 0 ? undefined : await whyTaken(gateway.host, gateway.port);
  if (why === undefined) return;
  const what = why === "EADDRINUSE" ? "another process listens there" : why;
  throw new CommandError(
    `the gateway cannot listen on ${formatAddress(gateway)}: ${what}; choose another address with --gateway host:port`,
  );
}

function stackEvents(out: Console) {
  return {
    onStart: ({ name, pid }: { name: string; pid: number }, where: string) => {
      out.say(`  ${name.padEnd(26)} pid ${String(pid).padEnd(8)} ${where}`);
      out.event("started", { name, pid });
    },
    onSlow: (sentence: string) => {
      out.say(`  ${sentence}`);
      out.event("waiting", { message: sentence });
    },
    onTrouble: (sentence: string) => {
      out.warn(`ferry: ${sentence}`);
      out.event("trouble", { message: sentence });
    },
  };
}

/** Until every planned instance and the gateway are healthy; says what is missing when that changes. */
async function waitUntilHealthy(home: string, out: Console, signal: { aborted: AbortSignal }): Promise<void> {
  const untilMs = systemClock.nowMs() + healthyTimeoutMs;
  let told = "";
  for (;;) {
    const status = plannedOnly(await collectStatus(home));
    const troubles = findTroubles(status);
    const registered = status.services.reduce((sum, { instances }) => sum + instances.length, 0);
    if (troubles.length === 0 && registered >= plannedInstances.length) return;
    const waiting = troubles.join("; ") || `${registered} of ${plannedInstances.length} instances are registered`;
    if (systemClock.nowMs() > untilMs) {
      throw new CommandError(`not all was healthy after ${healthyTimeoutMs / 1000} s: ${waiting}`);
    }
    const summary = `waiting for ${troubles.length} of ${plannedInstances.length + 1} parts to be healthy`;
    if (summary !== told) out.say(`  ${summary}`);
    told = summary;
    await wait(systemClock, lookEveryMs, signal.aborted);
  }
}

/** Others may be registered in the same Consul: how they are is not ours to wait for. */
function plannedOnly(status: MeshStatus): MeshStatus {
  const planned = new Set(plannedInstances.map(({ id }) => id));
  const services = status.services
    .map(({ name, instances }) => ({ name, instances: instances.filter(({ id }) => planned.has(id)) }))
    .filter(({ instances }) => instances.length > 0);
  return { ...status, services };
}
