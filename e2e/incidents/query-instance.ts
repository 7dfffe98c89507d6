// One instance of quote-query as two processes, the application and the sidecar beside it, each with a port of its own
// for life, so that either can be killed and started again. The gateway reaches it through a relay.

import { Running, root } from "../testing/ferry.ts";
import { freePorts } from "../testing/free-port.ts";
import { SlowRelay } from "./slow-relay.ts";

/** Generous: others share the machine. */
const readyWithinMs = 30_000;

export type Part = "app" | "sidecar";

export interface InstanceParams {
  readonly id: string;
  readonly home: string;
  readonly meshConfig: string;
}

export class QueryInstance {
  readonly id: string;
  readonly relay: SlowRelay;
  readonly #params: InstanceParams;
  readonly #appPort: number;
  readonly #inboundPort: number;
  readonly #running = new Map<Part, Running>();

  private constructor(params: InstanceParams, appPort: number, inboundPort: number) {
    this.id = params.id;
    this.#params = params;
    this.#appPort = appPort;
    this.#inboundPort = inboundPort;
    this.relay = new SlowRelay(inboundPort);
  }

  static async make(params: InstanceParams): Promise<QueryInstance> {
    const [appPort, inboundPort] = await freePorts(2);
    const instance = new QueryInstance(params, appPort!, inboundPort!);
    await instance.relay.listen();
    return instance;
  }

  /** Resolves when the process is ready. */
  async start(part: Part): Promise<void> {
    const { id, home, meshConfig } = this.#params;
    const common = { FERRY_INSTANCE: id, FERRY_VERSION: "v1", FERRY_DRAIN_GRACE: "5s" };
    const env: Record<string, string> =
      part === "app"
        ? { ...common, FERRY_LISTEN: `127.0.0.1:${this.#appPort}` }
        : {
            ...common,
            FERRY_SERVICE: "quote-query",
            FERRY_APP: `127.0.0.1:${this.#appPort}`,
            FERRY_INBOUND: `127.0.0.1:${this.#inboundPort}`,
            FERRY_ADVERTISE: `127.0.0.1:${this.relay.port}`,
            FERRY_MESH_CONFIG: meshConfig,
            FERRY_LOG: "error",
          };
    const main = part === "app" ? "services/quote-query/main.ts" : "sidecar/main.ts";
    const running = new Running(process.execPath, [`${root}/${main}`], { home, env });
    this.#running.set(part, running);
    await running.event("ready", readyWithinMs);
  }

  signal(part: Part, signal: NodeJS.Signals): void {
    this.#running.get(part)?.signal(signal);
  }

  async exited(part: Part): Promise<void> {
    await this.#running.get(part)?.exited;
  }

  /** As an orchestrator does it: the sidecar drains, then the application ends; both start again. */
  async restart(): Promise<void> {
    for (const part of ["sidecar", "app"] as const) {
      this.signal(part, "SIGTERM");
      await this.exited(part);
    }
    await this.start("app");
    await this.start("sidecar");
  }

  /** Whatever state it is in, it ends now. */
  async kill(): Promise<void> {
    for (const part of this.#running.keys()) {
      this.signal(part, "SIGKILL");
      await this.exited(part);
    }
    this.relay.close();
  }
}
