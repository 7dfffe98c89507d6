// One instance of a service, as a model: so many workers, a time that a call takes one of them, a queue in front, and
// the ways in which it goes wrong. Requests are given to it by the modelled network.

import type { Random } from "../../common/random.ts";
import { Status } from "../../sidecar/grpc/status.ts";
import type { HeaderFields } from "../../sidecar/http2/header-field.ts";
import { type Answer, failedAnswer, okAnswer } from "./modelled-reply.ts";
import type { SimulationClock } from "./simulation-clock.ts";

/**
 * `failing`: answers UNAVAILABLE at once. `silent`: takes connections and requests and never answers. `vanished`:
 * connections look open, nothing comes back, new ones are not accepted. `down`: refuses connections.
 */
export type Health = "well" | "failing" | "silent" | "vanished" | "down";

export interface ServerShape {
  readonly workers: number;
  /** Mean time of a call at its worker: half of it always, the rest exponential. */
  readonly serviceMs: number;
  /** Calls that may wait for a worker; one more is refused with UNAVAILABLE. Default: no bound. */
  readonly maxQueue?: number;
  /** What a refused call costs all the same: so much longer does a call take that is begun later. Default: nothing. */
  readonly refusalMs?: number;
}

/** A request that has arrived. */
export interface Arrived {
  readonly fields: HeaderFields;
  readonly isCancelled: boolean;
  /** Ignored when the request is over. */
  answer(answer: Answer): void;
  onCancel(listener: () => void): void;
}

/** What an instance does with a call after its own work: by default it answers. */
export type Work = (request: Arrived) => void;

export interface ServerDeps {
  readonly clock: SimulationClock;
  readonly random: Random;
  readonly work?: Work;
}

export class ModelledServer {
  readonly name: string;
  workers: number;
  /** How many times longer a call takes than when all is well. */
  slowness = 1;
  readonly #shape: ServerShape;
  readonly #deps: ServerDeps;
  readonly #losses = new Set<() => void>();
  #health: Health = "well";
  #queue: Arrived[] = [];
  #running = 0;
  /** Work at refusals that nobody has had time for yet. */
  #owedMs = 0;
  #frozenFromMs = 0;
  #frozenUntilMs = 0;
  /** Counts deaths: what was begun in an earlier life does not end in this one. */
  #life = 0;

  constructor(name: string, shape: ServerShape, deps: ServerDeps) {
    this.name = name;
    this.workers = shape.workers;
    this.#shape = shape;
    this.#deps = deps;
  }

  get health(): Health {
    return this.#health;
  }

  become(health: Health): void {
    this.#health = health;
    if (health === "down") this.loseConnections();
  }

  /** Everything stands still for `ms`, as in a collection of garbage. */
  freeze(ms: number): void {
    const { clock } = this.#deps;
    this.#frozenFromMs = clock.nowMs();
    this.#frozenUntilMs = this.#frozenFromMs + ms;
    clock.after(ms, () => this.#startWaiting());
  }

  /** Every connection to it breaks, and what was under way is gone. */
  loseConnections(): void {
    this.#life++;
    this.#running = 0;
    this.#owedMs = 0;
    this.#queue = [];
    for (const lost of this.#losses) lost();
  }

  /** Told whenever connections to this server break. */
  onLoss(listener: () => void): void {
    this.#losses.add(listener);
  }

  take(request: Arrived): void {
    switch (this.#health) {
      case "silent":
      case "vanished":
      case "down":
        return;
      case "failing":
        request.answer(failedAnswer(Status.UNAVAILABLE));
        return;
      case "well":
        this.#enqueue(request);
    }
  }

  #enqueue(request: Arrived): void {
    if (this.#queue.length >= (this.#shape.maxQueue ?? Number.POSITIVE_INFINITY)) {
      this.#owedMs += this.#shape.refusalMs ?? 0;
      request.answer(failedAnswer(Status.UNAVAILABLE));
      return;
    }
    this.#queue.push(request);
    this.#startWaiting();
  }

  #startWaiting(): void {
    if (this.#deps.clock.nowMs() < this.#frozenUntilMs) return;
    while (this.#running < this.workers) {
      const request = this.#queue.shift();
      if (request === undefined) return;
      // A server drops what was cancelled while it waited, and cannot stop what has begun.
      if (!request.isCancelled) this.#start(request);
    }
  }

  #start(request: Arrived): void {
    const { clock, random } = this.#deps;
    this.#running++;
    const life = this.#life;
    const spread = 0.5 - 0.5 * Math.log(1 - random());
    const finish = () => {
      if (life !== this.#life) return;
      const nowMs = clock.nowMs();
      if (nowMs < this.#frozenUntilMs) {
        clock.after(this.#frozenUntilMs - this.#frozenFromMs, finish);
        return;
      }
      this.#running--;
      this.#finish(request);
      this.#startWaiting();
    };
    const owedMs = this.#owedMs;
    this.#owedMs = 0;
    clock.after(this.#shape.serviceMs * this.slowness * spread + owedMs, finish);
  }

  #finish(request: Arrived): void {
    if (this.#health === "silent" || this.#health === "vanished") return;
    if (this.#deps.work === undefined) request.answer(okAnswer);
    else this.#deps.work(request);
  }
}
