// What a worker does with what it is told: a local data part whose listeners open no port but take the sockets that
// another process accepted. Made by main.ts.

import type { Socket } from "node:net";
import type { JsonLog } from "../../common/json-log.ts";
import { formatAddress } from "../../common/settings.ts";
import type { Entrance } from "../data-part.ts";
import { ForcedClose } from "../http2/limits.ts";
import { type LocalDataPart, startLocalDataPart } from "../local-data-part.ts";
import type { Listening, ListenOptions } from "../transport/listen.ts";
import { ServedConnections } from "../transport/served-connections.ts";
import type { FromWorker, NumberedEntrance, ReadingKind, ToWorker, WorkerReading } from "./worker-messages.ts";

export interface WorkerDeps {
  say(message: FromWorker): void;
  readonly log: JsonLog;
}

interface OpenEntrance {
  readonly entrance: Entrance;
  readonly served: ServedConnections;
}

type StartMessage = ToWorker & { readonly kind: "start" };
type LaterMessage = Exclude<ToWorker, { readonly kind: "start" | "close" }>;

export class Worker {
  readonly #deps: WorkerDeps;
  readonly #entrances = new Map<number, OpenEntrance>();
  /** By the address of their port. */
  readonly #served = new Map<string, ServedConnections>();
  readonly #hurry = new AbortController();
  #data: LocalDataPart | undefined = undefined;

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
  }

  /** Rejects with a sentence when the data plane cannot be built. */
  async start({ params, updates, entrances }: StartMessage): Promise<void> {
    const { say, log } = this.#deps;
    this.#data = await startLocalDataPart(params, {
      log,
      want: (upstream) => say({ kind: "want", upstream }),
      listen: async (options) => this.#listen(options),
    });
    for (const update of updates) this.#data.apply(update);
    for (const numbered of entrances) await this.#open(numbered);
    say({ kind: "ready" });
  }

  async heard(message: LaterMessage, socket: Socket | undefined): Promise<void> {
    switch (message.kind) {
      case "update":
        this.#data?.apply(message.update);
        return;
      case "open":
        await this.#open(message);
        return;
      case "connection":
        this.#take(message.entrance, message.id, socket);
        return;
      case "drain":
        void this.#drain(message.entrance, message.graceMs);
        return;
      case "hurry":
        this.#hurry.abort();
        return;
      case "retire":
        this.#retire(message.count);
        return;
      case "read":
        this.#deps.say({ kind: "reading", ...this.#read(message.what) });
    }
  }

  /** Lets every connection go; what is not over after `graceMs` is cut off. */
  async drainAll(graceMs: number): Promise<void> {
    const hurry = this.#hurry.signal;
    await Promise.all([...this.#entrances.values()].map(({ entrance }) => entrance.drain({ graceMs, hurry })));
  }

  /** Cuts off what is left; each caller is told. */
  async close(): Promise<void> {
    this.#hurry.abort();
    await this.drainAll(0);
    await this.#data?.close();
  }

  #listen(options: ListenOptions): Listening {
    const { host, port } = options;
    const served = new ServedConnections(options);
    this.#served.set(formatAddress({ host, port }), served);
    return {
      host,
      port,
      get connections() {
        return served.size;
      },
      async close() {},
      drain: (graceMs) => served.drain(graceMs),
    };
  }

  async #open({ entrance: number, params }: NumberedEntrance): Promise<void> {
    const entrance = await this.#data!.open(params);
    const served = this.#served.get(formatAddress(params.at))!;
    this.#entrances.set(number, { entrance, served });
  }

  #take(number: number, id: number, socket: Socket | undefined): void {
    const entrance = this.#entrances.get(number);
    const closed = () => this.#deps.say({ kind: "closed", id, leaving: this.#leaving });
    // Without a socket: its client was gone before it was sent here.
    if (socket === undefined || entrance === undefined) {
      socket?.destroy();
      closed();
      return;
    }
    // As for a socket that was accepted here; http2/link.ts ends both halves itself.
    socket.allowHalfOpen = true;
    entrance.served.take(socket);
    socket.on("close", closed);
  }

  async #drain(number: number, graceMs: number): Promise<void> {
    await this.#entrances.get(number)?.entrance.drain({ graceMs, hurry: this.#hurry.signal });
    this.#deps.say({ kind: "drained", entrance: number });
  }

  #retire(count: number): void {
    let left = count;
    for (const { served } of this.#entrances.values()) {
      if (left > 0) left -= served.retire(left, ForcedClose.REBALANCE, "another worker has fewer connections");
    }
  }

  get #leaving(): number {
    return [...this.#entrances.values()].reduce((sum, { served }) => sum + served.leaving, 0);
  }

  #read(what: ReadingKind): WorkerReading {
    const data = this.#data!;
    return {
      what,
      metrics: what === "totals" ? data.totals() : what === "metrics" ? data.metrics() : [],
      endpoints: what === "state" ? data.endpoints() : [],
      callsInFlight: data.callsInFlight,
      leaving: this.#leaving,
    };
  }
}
