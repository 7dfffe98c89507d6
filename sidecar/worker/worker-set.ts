// The data part as N worker processes behind one set of ports (docs/decisions/0011-workers.md). This process is the
// control part's: it opens the ports and hands each accepted socket to the worker with the fewest, gives every worker
// what is in force, and shows their readings as one. It carries no call, and nothing here happens per call.
//
// Guarantees: a worker has everything in force before its first connection; one that dies is replaced and takes only
// its own connections with it; totals never go backwards.

import { type Clock, systemClock } from "../../common/clock.ts";
import type { JsonLog } from "../../common/json-log.ts";
import type { AdminEndpoint, AdminWorker } from "../admin/admin-source.ts";
import type { ControlUpdate, DataPart, DataPartParams, DrainParams, Entrance, EntranceParams } from "../data-part.ts";
import type { RequestSender } from "../http2/request-sender.ts";
import { type Observation, startObservation } from "../observation.ts";
import type { Snapshot } from "../routing/snapshot.ts";
import { type FamilySnapshot, mergeSnapshots } from "../telemetry/metric-snapshot.ts";
import { workerMetrics } from "../telemetry/worker-metrics.ts";
import { plaintextDialer } from "../transport/dial.ts";
import { Pool } from "../transport/pool.ts";
import { InForce } from "./in-force.ts";
import { KeptWorkers } from "./kept-workers.ts";
import { mergeEndpoints } from "./merge-endpoints.ts";
import { pickWorker } from "./pick-worker.ts";
import { rebalance } from "./rebalance.ts";
import { SharedEntrance } from "./shared-entrance.ts";
import type { ToWorker } from "./worker-messages.ts";
import type { Accepted, WorkerEnd, WorkerProcess } from "./worker-process.ts";
import { shareOfParams, shareOfUpdate } from "./worker-share.ts";

export interface WorkerSetDeps {
  readonly log: JsonLog;
  /** Asks the control part for an upstream that a call named. */
  want(upstream: string): void;
}

const clock: Clock = systemClock;
const lookMs = 1_000;
/** Every so many looks the workers' totals are read: what a worker counts after that dies with it. */
const looksPerReading = 5;

/** Resolves when all workers are ready to take connections; rejects with one sentence when they cannot start. */
export async function startWorkerSet(count: number, params: DataPartParams, deps: WorkerSetDeps): Promise<WorkerSet> {
  const own = { ...params.observation, otlpEndpoint: null, hasAccessLog: false };
  const observation = await startObservation(own, {
    clock,
    open: { connections: () => ({ pool: set.poolConnections }), callsInFlight: () => 0 },
    isKnownMethod: () => false,
    write() {},
  });
  const set = new WorkerSet(count, { ...deps, params, observation });
  try {
    await set.start();
  } catch (error) {
    await set.close();
    throw error;
  }
  return set;
}

export class WorkerSet implements DataPart {
  readonly sender: RequestSender;
  readonly #count: number;
  readonly #deps: WorkerSetDeps & { readonly params: DataPartParams; readonly observation: Observation };
  readonly #pool: Pool;
  readonly #kept: KeptWorkers;
  readonly #inForce = new InForce();
  readonly #entrances: SharedEntrance[] = [];
  /** Accepted while no worker was ready. */
  readonly #waiting: Accepted[] = [];
  /** What the dead have counted. */
  #buried: readonly FamilySnapshot[] = [];
  #last = -1;
  #looks = 0;
  #isClosed = false;

  constructor(
    count: number,
    deps: WorkerSetDeps & { readonly params: DataPartParams; readonly observation: Observation },
  ) {
    this.#count = count;
    this.#deps = deps;
    const { limits } = deps.params.plane;
    this.#pool = new Pool({ clock, dial: plaintextDialer(clock, { limits }) });
    this.sender = this.#pool;
    this.#kept = new KeptWorkers(count, {
      ...{ clock, log: deps.log },
      startMessage: () => this.#startMessage(),
      onWant: (upstream) => deps.want(upstream),
      onReady: () => this.#handWaiting(),
      onEnd: (worker, end) => this.#bury(worker, end),
    });
    workerMetrics(deps.observation.registry, () => {
      return { running: this.#kept.ready.length, replaced: this.#kept.replaced };
    });
  }

  async start(): Promise<void> {
    await this.#kept.start();
    this.#lookLater();
  }

  apply(update: ControlUpdate): void {
    this.#inForce.note(update);
    this.#kept.broadcast({ kind: "update", update: shareOfUpdate(update, this.#count) });
  }

  async open(params: EntranceParams): Promise<Entrance> {
    const entrance = await SharedEntrance.open(this.#entrances.length, params, {
      limits: this.#deps.params.plane.limits,
      onForcedClose: (reason, detail) => {
        this.#deps.observation.metrics.countForcedClose(reason);
        this.#deps.log.info("connection closed by us", { reason, detail });
      },
      hand: (accepted) => this.#hand(accepted),
      drain: (number, how) => this.#drain(number, how),
    });
    this.#entrances.push(entrance);
    this.#kept.broadcast({ kind: "open", entrance: entrance.number, params: entrance.params });
    return entrance;
  }

  snapshots(): readonly Snapshot[] {
    return this.#inForce.snapshots();
  }

  async refresh(what: "state" | "metrics"): Promise<void> {
    await this.#read(what);
  }

  metrics(): readonly FamilySnapshot[] {
    const own = this.#deps.observation.registry.snapshot();
    return mergeSnapshots([own, this.#buried, ...this.#kept.all.map(({ metrics }) => metrics)]);
  }

  endpoints(): readonly AdminEndpoint[] {
    return mergeEndpoints(this.#kept.ready.map(({ endpoints }) => endpoints));
  }

  workers(): readonly AdminWorker[] {
    return this.#kept.all.map(({ pid, state, connections, callsInFlight }) => {
      return { pid, state: state === "ready" ? "ready" : "starting", connections, callsInFlight };
    });
  }

  get callsInFlight(): number {
    return this.#kept.all.reduce((sum, { callsInFlight }) => sum + callsInFlight, 0);
  }

  /** Of the sidecar's own calls. */
  get poolConnections(): number {
    return this.#pool.connections;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const entrance of this.#entrances) entrance.close();
    this.#dropWaiting(() => true);
    await this.#kept.close();
    await this.#pool.close();
    await this.#deps.observation.close();
  }

  #startMessage(): ToWorker {
    const open = this.#entrances.filter(({ isAccepting }) => isAccepting);
    return {
      kind: "start",
      params: shareOfParams(this.#deps.params, this.#count),
      updates: this.#inForce.updates().map((update) => shareOfUpdate(update, this.#count)),
      entrances: open.map(({ number, params }) => ({ entrance: number, params })),
    };
  }

  // --- Connections ---

  #hand(accepted: Accepted): void {
    const places = this.#kept.places;
    const loads = places.map((worker) => {
      return { isReady: worker?.state === "ready", connections: worker?.connections ?? 0 };
    });
    const at = pickWorker(loads, this.#last);
    if (at < 0) {
      this.#waiting.push(accepted);
      return;
    }
    this.#last = at;
    places[at]!.take(accepted);
  }

  #handWaiting(): void {
    for (const accepted of this.#waiting.splice(0)) this.#hand(accepted);
  }

  #dropWaiting(isDropped: (accepted: Accepted) => boolean): void {
    const waiting = this.#waiting.splice(0);
    for (const accepted of waiting) {
      if (isDropped(accepted)) drop(accepted);
      else this.#waiting.push(accepted);
    }
  }

  async #drain(entrance: number, { graceMs, hurry }: DrainParams): Promise<void> {
    this.#dropWaiting((accepted) => accepted.entrance === entrance);
    const onHurry = () => this.#kept.broadcast({ kind: "hurry" });
    if (hurry.aborted) onHurry();
    else hurry.addEventListener("abort", onHurry, { once: true });
    await Promise.all(this.#kept.all.map((worker) => worker.drain(entrance, graceMs)));
    hurry.removeEventListener("abort", onHurry);
  }

  #bury(worker: WorkerProcess, { unsent }: WorkerEnd): void {
    this.#buried = mergeSnapshots([this.#buried, worker.totals]);
    for (const accepted of unsent) {
      const isWanted = !this.#isClosed && this.#entrances[accepted.entrance]?.isAccepting === true;
      if (isWanted) this.#hand(accepted);
      else drop(accepted);
    }
  }

  // --- Once a second ---

  #lookLater(): void {
    clock.after(lookMs, () => {
      if (this.#isClosed) return;
      if (++this.#looks % looksPerReading === 0) void this.#read("totals");
      this.#spread();
      this.#lookLater();
    });
  }

  #spread(): void {
    const places = this.#kept.places;
    const counts = rebalance(
      places.map((worker) => {
        const { connections = 0, leaving = 0 } = worker ?? {};
        return { isReady: worker?.state === "ready", connections, leaving };
      }),
    );
    for (const [at, count] of counts.entries()) if (count > 0) places[at]!.send({ kind: "retire", count });
  }

  async #read(what: "totals" | "state" | "metrics"): Promise<void> {
    await Promise.all(this.#kept.ready.map((worker) => worker.read(what)));
  }
}

function drop({ socket, leave }: Accepted): void {
  socket.destroy();
  leave();
}
