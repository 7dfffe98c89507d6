// One worker as the control part holds it: its process, what it said last, and the connections that it was given. Made
// and replaced by kept-workers.ts.
//
// Guarantees: messages arrive in order; `onEnd` is told exactly once, however it ends; a question to a worker that is
// gone or does not answer is over after a second.

import { type ChildProcess, fork } from "node:child_process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../common/clock.ts";
import type { AdminEndpoint } from "../admin/admin-source.ts";
import { type FamilySnapshot, totalsOf } from "../telemetry/metric-snapshot.ts";
import type { FromWorker, ReadingKind, ToWorker, WorkerReading } from "./worker-messages.ts";

/** A connection that was accepted. */
export interface Accepted {
  readonly entrance: number;
  readonly socket: Socket;
  /** Its place is free again. */
  leave(): void;
}

export interface WorkerEvents {
  onReady(worker: WorkerProcess): void;
  onEnd(worker: WorkerProcess, end: WorkerEnd): void;
  onWant(upstream: string): void;
  onLog(worker: WorkerProcess, line: FromWorker & { readonly kind: "log" }): void;
}

export interface WorkerEnd {
  /** For people: as `SIGKILL`, `exit code 1`. */
  readonly how: string;
  /** What it said before, if it could not start; else empty. */
  readonly reason: string;
  /** Given to it and lost with it. */
  readonly lost: number;
  /** Given to it, and never sent: somebody else may have them. */
  readonly unsent: readonly Accepted[];
}

interface Handed {
  readonly accepted: Accepted;
  isSent: boolean;
}

const program = fileURLToPath(new URL("main.ts", import.meta.url));
const answerMs = 1_000;
/** Until it is killed: it may have spans to send. */
const closeMs = 5_000;

export class WorkerProcess {
  state: "starting" | "ready" | "gone" = "starting";
  /** Told to go away and still open. */
  leaving = 0;
  callsInFlight = 0;
  endpoints: readonly AdminEndpoint[] = [];
  /** As of the last reading of all metrics. */
  metrics: readonly FamilySnapshot[] = [];
  /** As of the last reading of any. */
  totals: readonly FamilySnapshot[] = [];
  readonly startedAtMs: number;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  readonly #events: WorkerEvents;
  readonly #handed = new Map<number, Handed>();
  readonly #asked: (() => void)[] = [];
  readonly #draining = new Map<number, () => void>();
  readonly #ended: (() => void)[] = [];
  #nextId = 0;
  #reason = "";
  #isOver = false;

  constructor(start: ToWorker, clock: Clock, events: WorkerEvents) {
    this.#clock = clock;
    this.#events = events;
    this.startedAtMs = clock.nowMs();
    // Standard output is the parent's, for its ready line.
    this.#child = fork(program, [], { serialization: "advanced", stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#child.on("message", (message) => this.#heard(message as FromWorker));
    this.#child.on("error", (error) => {
      if (this.#child.pid === undefined) this.#end(error.message);
    });
    this.#child.on("exit", (code, signal) => this.#exited(signal ?? `exit code ${code}`));
    this.send(start);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Given to it and not closed. */
  get connections(): number {
    return this.#handed.size;
  }

  send(message: ToWorker): void {
    // Without a callback an error of sending would be an event; that it is gone is told by `exit`.
    if (this.state !== "gone") this.#child.send(message, () => {});
  }

  take(accepted: Accepted): void {
    const id = this.#nextId++;
    const handed: Handed = { accepted, isSent: false };
    this.#handed.set(id, handed);
    const message: ToWorker = { kind: "connection", entrance: accepted.entrance, id };
    this.#child.send(message, accepted.socket, {}, (error) => {
      // Any other error has taken the socket's handle, and closed it.
      handed.isSent = (error as NodeJS.ErrnoException | null)?.code !== "ERR_IPC_CHANNEL_CLOSED";
    });
  }

  /** Resolves when its answer is noted here, or will not come. */
  read(what: ReadingKind): Promise<void> {
    if (this.state !== "ready") return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.after(answerMs, resolve);
      this.#asked.push(() => {
        timer.cancel();
        resolve();
      });
      this.send({ kind: "read", what });
    });
  }

  /** Resolves when all connections of the entrance have ended, also with the worker. */
  drain(entrance: number, graceMs: number): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      this.#draining.set(entrance, resolve);
      this.send({ kind: "drain", entrance, graceMs });
    });
  }

  /** Ends it, by force after a while. */
  close(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.after(closeMs, () => this.#child.kill("SIGKILL"), true);
      this.#ended.push(() => {
        timer.cancel();
        resolve();
      });
      this.send({ kind: "close" });
    });
  }

  #heard(message: FromWorker): void {
    if (this.#isOver) return;
    switch (message.kind) {
      case "ready":
        if (this.state === "gone") return;
        this.state = "ready";
        this.#events.onReady(this);
        return;
      case "failed":
        this.#reason = message.reason;
        this.#child.kill("SIGKILL");
        return;
      case "want":
        this.#events.onWant(message.upstream);
        return;
      case "closed":
        this.leaving = message.leaving;
        this.#handed.get(message.id)?.accepted.leave();
        this.#handed.delete(message.id);
        return;
      case "drained":
        this.#draining.get(message.entrance)?.();
        this.#draining.delete(message.entrance);
        return;
      case "reading":
        this.#note(message);
        this.#asked.shift()?.();
        return;
      case "log":
        this.#events.onLog(this, message);
    }
  }

  #note({ what, metrics, endpoints, callsInFlight, leaving }: WorkerReading): void {
    this.leaving = leaving;
    if (what === "state") {
      this.endpoints = endpoints;
      this.callsInFlight = callsInFlight;
      return;
    }
    this.totals = what === "totals" ? metrics : totalsOf(metrics);
    if (what === "metrics") this.metrics = metrics;
  }

  /** Its last words may still be on their way, why it died among them. */
  #exited(how: string): void {
    this.state = "gone";
    const end = () => this.#end(how);
    this.#child.once("disconnect", end);
    this.#clock.after(this.#child.connected ? answerMs : 0, end, true);
  }

  #end(how: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.state = "gone";
    const handed = [...this.#handed.values()];
    this.#handed.clear();
    const unsent = handed.filter(({ isSent }) => !isSent).map(({ accepted }) => accepted);
    const lost = handed.filter(({ isSent }) => isSent);
    for (const { accepted } of lost) accepted.leave();
    for (const resolve of [...this.#asked.splice(0), ...this.#draining.values(), ...this.#ended.splice(0)]) resolve();
    this.#events.onEnd(this, { how, reason: this.#reason, lost: lost.length, unsent });
  }
}
