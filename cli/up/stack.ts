// The embedded stack: everything that `ferry up` starts, in which order, and how it ends. Guarantees: when `start`
// rejects or `stop` resolves, nothing of it runs any more.
//
// Order of the end: the gateway first, so that nothing new comes in; then the sidecars, each before its application;
// the projectors last, so that they see the last event.

import { systemClock } from "../../common/clock.ts";
import { systemRandom } from "../../common/random.ts";
import { type Address, formatAddress, parseDurationMs } from "../../common/settings.ts";
import type { ReadyLine } from "../supervise/child.ts";
import { logFileOf, type StackProcess } from "../supervise/home.ts";
import { Instance, type InstanceDeps } from "../supervise/instance.ts";
import { compileCache, sidecarEnv, sidecarProgram } from "../supervise/programs.ts";
import { Reaper } from "../supervise/reaper.ts";
import { Supervised } from "../supervise/supervised.ts";
import { type PlannedInstance, plannedInstances, plannedProjectors } from "./plan.ts";

export interface StackParams {
  readonly home: string;
  readonly meshConfig: string;
  readonly gateway: Address;
  readonly env: NodeJS.ProcessEnv;
}

export interface StackEvents {
  /** A process was started, for the first time or again. */
  onStart(process: StackProcess, where: string): void;
  /** A process takes its time to be ready, and this is what it says meanwhile. */
  onSlow(sentence: string): void;
  onTrouble(sentence: string): void;
}

/** How many starts are under way at once: Node's own start is all processor time. */
const startsAtOnce = 3;
/** A drain's propagation and our own margin, on top of the grace that the processes have. */
const marginMs = 5000;

export class Stack {
  readonly #params: StackParams;
  readonly #events: StackEvents;
  readonly #reaper = new Reaper();
  readonly #processes = new Map<string, StackProcess>();
  readonly #instances: Instance[] = [];
  readonly #others: Supervised[] = [];
  #gateway: Supervised | undefined;
  #gatewayReady: ReadyLine = {};
  #onChange = () => {};
  #isStopping = false;

  constructor(params: StackParams, events: StackEvents) {
    this.#params = params;
    this.#events = events;
  }

  /** `host:port`, once started. */
  get gateway(): string {
    return String(this.#gatewayReady.outbound ?? formatAddress(this.#params.gateway));
  }

  /** `host:port` of the gateway's admin server. */
  get admin(): string {
    return String(this.#gatewayReady.admin ?? "");
  }

  /** In the order of their first start. */
  get processes(): readonly StackProcess[] {
    return [...this.#processes.values()];
  }

  /** Calls `listener` whenever a process was started again. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  /** Starts everything, the gateway first. Rejects with the first CommandError, after stopping what had started. */
  async start(): Promise<void> {
    const tasks = [
      () => this.#startGateway(),
      ...plannedInstances.map((planned) => () => this.#startInstance(planned)),
      ...plannedProjectors.map((planned) => () => this.#startProjector(planned)),
    ];
    let failed: { error: unknown } | undefined;
    const worker = async () => {
      for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
        if (failed !== undefined || this.#isStopping) return;
        await task().catch((error: unknown) => {
          failed ??= { error };
          // Others may wait for the same server as long again.
          void this.stop();
        });
      }
    };
    await Promise.all(Array.from({ length: startsAtOnce }, worker));
    if (failed === undefined) return;
    await this.stop();
    throw failed.error;
  }

  /** Drains and stops everything. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const graceMs = drainGraceMs(this.#params.env) + marginMs;
    await this.#gateway?.stop(graceMs);
    await Promise.all(this.#instances.map((instance) => instance.stop({ sidecarMs: graceMs, appMs: graceMs })));
    await Promise.all(this.#others.map((process) => process.stop(graceMs)));
    await this.#reaper.close();
  }

  /** SIGKILL to everything, for those who cannot wait; `stop` then ends at once. */
  kill(): void {
    this.#gateway?.kill();
    for (const process of [...this.#instances, ...this.#others]) process.kill();
  }

  async #startGateway(): Promise<void> {
    const { gateway, home } = this.#params;
    const name = "gateway";
    this.#gateway = new Supervised(
      {
        mayRestart: true,
        onTrouble: this.#events.onTrouble,
        onStart: (child, ready) => {
          this.#gatewayReady = ready;
          this.#note({ name, pid: child.pid, logFile: logFileOf(home, name) }, `listens on ${this.gateway}`);
        },
        spec: (last) => ({
          ...sidecarProgram,
          name,
          logFile: logFileOf(home, name),
          env: {
            ...sidecarEnv(this.#params),
            FERRY_ROLE: "gateway",
            FERRY_SERVICE: "quoter",
            FERRY_INSTANCE: name,
            FERRY_OUTBOUND: String(last?.outbound ?? formatAddress(gateway)),
          },
        }),
      },
      this.#deps(),
    );
    await this.#gateway.start();
  }

  async #startInstance({ id, service, version, program }: PlannedInstance): Promise<void> {
    const { home, meshConfig, env } = this.#params;
    const instance = new Instance(
      {
        ...{ id, service, version, home, meshConfig, env },
        app: { host: "127.0.0.1", port: 0 },
        upstreams: [],
        grpcServices: [],
        sidecarSettings: {},
        mayRestartApp: true,
        appProgram: ({ listen }) => ({
          ...program,
          logFile: logFileOf(home, id),
          env: {
            NODE_COMPILE_CACHE: compileCache,
            ...env,
            FERRY_VERSION: version,
            FERRY_INSTANCE: id,
            FERRY_LISTEN: listen,
          },
        }),
      },
      this.#deps(),
    );
    this.#instances.push(instance);
    await instance.start();
  }

  async #startProjector(planned: (typeof plannedProjectors)[number]): Promise<void> {
    const { home, env } = this.#params;
    const { name, version, program } = planned;
    const projector = new Supervised(
      {
        mayRestart: true,
        onTrouble: this.#events.onTrouble,
        onStart: ({ pid }) => this.#note({ name, pid, logFile: logFileOf(home, name) }, `writes quotes-${version}`),
        spec: () => ({
          ...program,
          name,
          logFile: logFileOf(home, name),
          env: { NODE_COMPILE_CACHE: compileCache, ...env, FERRY_VERSION: version, FERRY_INSTANCE: name },
        }),
      },
      this.#deps(),
    );
    this.#others.push(projector);
    await projector.start();
  }

  #deps(): InstanceDeps {
    return {
      reaper: this.#reaper,
      clock: systemClock,
      random: systemRandom,
      onSlow: this.#events.onSlow,
      onTrouble: this.#events.onTrouble,
      onStart: ({ name, pid, where, logFile }) => this.#note({ name, pid, logFile: logFile ?? "" }, where),
    };
  }

  #note(process: StackProcess, where: string): void {
    this.#processes.set(process.name, process);
    this.#events.onStart(process, where);
    this.#onChange();
  }
}

/** What the processes will take from FERRY_DRAIN_GRACE; a wrong value is told by the first of them that starts. */
function drainGraceMs(env: NodeJS.ProcessEnv): number {
  try {
    return parseDurationMs(env.FERRY_DRAIN_GRACE ?? "30s");
  } catch {
    return 30_000;
  }
}
