// Keeps N workers running: starts them, and another one in the place of each that dies. Used by worker-set.ts, which
// says what a worker is given at its start and what becomes of what a dead one leaves.

import type { Clock, Timer } from "../../common/clock.ts";
import type { JsonLog } from "../../common/json-log.ts";
import { restartDelayMs } from "./restart-delay.ts";
import type { ToWorker } from "./worker-messages.ts";
import { type WorkerEnd, type WorkerEvents, WorkerProcess } from "./worker-process.ts";

export interface KeptWorkersDeps extends Omit<WorkerEvents, "onLog"> {
  readonly clock: Clock;
  readonly log: JsonLog;
  /** Everything in force, for a worker that starts now. */
  startMessage(): ToWorker;
}

interface Place {
  /** Undefined: it died, and the next is not started yet. */
  worker: WorkerProcess | undefined;
  delayMs: number;
  timer: Timer | undefined;
}

export class KeptWorkers {
  /** Died and were replaced. */
  replaced = 0;
  readonly #deps: KeptWorkersDeps;
  readonly #places: Place[];
  #state: "starting" | "running" | "closed" = "starting";
  #onStart: { ready(): void; failed(error: Error): void } | undefined = undefined;

  constructor(count: number, deps: KeptWorkersDeps) {
    this.#deps = deps;
    this.#places = Array.from({ length: count }, () => ({ worker: undefined, delayMs: 0, timer: undefined }));
  }

  /** Resolves when all are ready; rejects with one sentence when one of them ends before. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#onStart = { ready: resolve, failed: reject };
      for (const place of this.#places) this.#begin(place);
    });
    this.#state = "running";
  }

  /** By place; undefined where one is being replaced. */
  get places(): readonly (WorkerProcess | undefined)[] {
    return this.#places.map(({ worker }) => worker);
  }

  /** Those that are there, ready or about to be. */
  get all(): readonly WorkerProcess[] {
    return this.places.filter((worker) => worker !== undefined);
  }

  get ready(): readonly WorkerProcess[] {
    return this.all.filter(({ state }) => state === "ready");
  }

  broadcast(message: ToWorker): void {
    for (const worker of this.all) worker.send(message);
  }

  /** Ends them all; none is replaced any more. Idempotent. */
  async close(): Promise<void> {
    this.#state = "closed";
    for (const { timer } of this.#places) timer?.cancel();
    await Promise.all(this.all.map((worker) => worker.close()));
  }

  #begin(place: Place): void {
    const { clock, log } = this.#deps;
    const number = this.#places.indexOf(place) + 1;
    place.timer = undefined;
    place.worker = new WorkerProcess(this.#deps.startMessage(), clock, {
      onReady: (worker) => this.#ready(worker),
      onEnd: (worker, end) => this.#ended(place, worker, end),
      onWant: (upstream) => this.#deps.onWant(upstream),
      onLog: (_worker, { level, message, fields }) => log[level](message, { ...fields, worker: number }),
    });
  }

  #ready(worker: WorkerProcess): void {
    this.#deps.onReady(worker);
    if (this.#state === "starting" && this.ready.length === this.#places.length) this.#onStart?.ready();
  }

  #ended(place: Place, worker: WorkerProcess, end: WorkerEnd): void {
    const { clock, log } = this.#deps;
    place.worker = undefined;
    if (this.#state === "running") {
      place.delayMs = restartDelayMs(clock.nowMs() - worker.startedAtMs, place.delayMs);
      const number = this.#places.indexOf(place) + 1;
      const { how, reason, lost } = end;
      const fields = { worker: number, pid: worker.pid, how, lostConnections: lost, nextInMs: place.delayMs };
      log.error("worker died and is replaced", { ...fields, ...(reason !== "" && { reason }) });
      this.replaced++;
      if (place.delayMs === 0) this.#begin(place);
      else place.timer = clock.after(place.delayMs, () => this.#begin(place), true);
    } else {
      this.#onStart?.failed(
        new Error(end.reason === "" ? `a worker ended before it was ready: ${end.how}` : end.reason),
      );
    }
    this.#deps.onEnd(worker, end);
  }
}
