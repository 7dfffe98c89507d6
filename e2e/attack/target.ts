// What is attacked, as it would stand on the Internet: a `ferry proxy` process with its defaults, a backend of another
// make behind it, and a client that does nothing wrong beside the attacker. Started once for all classes.

import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { type Running, startFerry } from "../testing/ferry.ts";
import type { BackendReport } from "./backend-thread.ts";
import { Inspector } from "./inspector.ts";
import type { VictimData, VictimReport } from "./victim-thread.ts";

export interface TargetOptions {
  /** Further arguments of `ferry proxy`. */
  readonly args?: readonly string[];
  /** 0: no victim. */
  readonly victimConnections: number;
  readonly victimCallsPerSecond: number;
}

export class Target {
  /** Where the proxy listens, on 127.0.0.1. */
  readonly port: number;
  readonly pid: number;
  readonly inspector: Inspector;
  readonly #admin: string;
  readonly #proxy: Running;
  readonly #backend: Worker;
  readonly #victim: Worker;
  #victimTurn: Promise<unknown> = Promise.resolve();
  #backendTurn: Promise<unknown> = Promise.resolve();

  private constructor(parts: {
    proxy: Running;
    ready: { listen: string; admin: string; pid: number };
    inspector: Inspector;
    backend: Worker;
    victim: Worker;
  }) {
    this.port = portOf(parts.ready.listen);
    this.pid = parts.ready.pid;
    this.inspector = parts.inspector;
    this.#admin = parts.ready.admin;
    this.#proxy = parts.proxy;
    this.#backend = parts.backend;
    this.#victim = parts.victim;
  }

  static async start(options: TargetOptions): Promise<Target> {
    const backend = startThread("backend-thread.ts");
    const { port } = await nextMessage<{ port: number }>(backend);
    const args = ["proxy", "--listen", "127.0.0.1:0", "--upstream", `127.0.0.1:${port}`, "--json"];
    const proxy = startFerry([...args, ...(options.args ?? [])], { env: { NODE_OPTIONS: "--inspect=127.0.0.1:0" } });
    // Whatever ends this process ends the proxy.
    const kill = () => proxy.signal("SIGKILL");
    process.once("exit", kill);
    void proxy.exited.then(() => process.off("exit", kill));
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
    try {
      const ready = await proxy.event("ready", 20_000);
      const inspector = await Inspector.open(proxy.stderr);
      const { victimConnections: connections, victimCallsPerSecond: callsPerSecond } = options;
      const data: VictimData = { port: portOf(ready.listen), connections, callsPerSecond };
      const parts = { proxy, inspector, backend, victim: startThread("victim-thread.ts", data) };
      return new Target({ ...parts, ready: { listen: ready.listen, admin: ready.admin, pid: ready.pid } });
    } catch (error) {
      proxy.signal("SIGKILL");
      await backend.terminate();
      throw error;
    }
  }

  /** Resident memory of the proxy's process now, in MB (10^6). */
  rssMb(): number {
    const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1] ?? 0);
    return (kib * 1024) / 1e6;
  }

  /** Processor time of the proxy's process until now. In steps of 10 ms. */
  cpuMs(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** Resident memory without garbage: the least of three readings, each after a full collection. */
  async settledRssMb(): Promise<number> {
    const readings: number[] = [];
    for (let i = 0; i < 3; i++) {
      await this.inspector.collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 60));
      readings.push(this.rssMb());
    }
    return Math.min(...readings);
  }

  /** Heap and buffers that are in use, without garbage, in MB (10^6). */
  async usedMb(): Promise<number> {
    await this.inspector.collectGarbage();
    const used = await this.inspector.evaluate("process.memoryUsage().heapUsed + process.memoryUsage().external");
    return Number(used) / 1e6;
  }

  /** Values of the proxy's own metrics, by their name with labels as Prometheus writes them. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`http://${this.#admin}/metrics`)).text();
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
  }

  /** How many connections the proxy has closed by force, by reason. */
  async forcedCloses(): Promise<Readonly<Record<string, number>>> {
    const found: Record<string, number> = {};
    for (const [name, value] of await this.metrics()) {
      const reason = /^ferry_forced_closes_total\{reason="([^"]*)"\}$/.exec(name)?.[1];
      if (reason !== undefined) found[reason] = value;
    }
    return found;
  }

  /** The victim's calls that began in this span of milliseconds since 1970; waits for their end. */
  victimReport(sinceMs: number, untilMs: number): Promise<VictimReport> {
    const turn = this.#victimTurn.then(() => {
      this.#victim.postMessage({ sinceMs, untilMs });
      return nextMessage<VictimReport>(this.#victim);
    });
    this.#victimTurn = turn.catch(() => {});
    return turn;
  }

  /** What the backend saw since the last report. */
  backendReport(): Promise<BackendReport> {
    const turn = this.#backendTurn.then(async () => {
      this.#backend.postMessage({ ask: "report" });
      return (await nextMessage<{ report: BackendReport }>(this.#backend)).report;
    });
    this.#backendTurn = turn.catch(() => {});
    return turn;
  }

  /** The backend's connections go away in an orderly way. */
  backendGoaway(): void {
    this.#backend.postMessage({ ask: "goaway" });
  }

  /** What the proxy wrote to stderr that tells of a defect of its own. */
  defects(): readonly string[] {
    const lines = this.#proxy.stderr.split("\n");
    return lines.filter((line) => /"msg":"defect"|"message":"defect"|defect|uncaught|AssertionError/i.test(line));
  }

  /** Ends everything. Gives the proxy's exit code; it has 15 s for its drain. */
  async stop(): Promise<number | null> {
    await this.#victim.terminate();
    this.inspector.close();
    this.#proxy.signal("SIGTERM");
    const late = setTimeout(() => this.#proxy.signal("SIGKILL"), 15_000);
    const { code } = await this.#proxy.exited;
    clearTimeout(late);
    await this.#backend.terminate();
    return code;
  }
}

function startThread(file: string, data?: VictimData): Worker {
  return new Worker(new URL(file, import.meta.url), { workerData: data });
}

function nextMessage<T>(worker: Worker): Promise<T> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(error);
    worker.once("error", failed);
    worker.once("message", (message: T) => {
      worker.off("error", failed);
      resolve(message);
    });
  });
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
