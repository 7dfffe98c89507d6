// A port of a sidecar whose connections are carried by workers: accepts here, within the limits of the sidecar as a
// whole, and hands each socket on unread. Made by worker-set.ts.

import type { DrainParams, Entrance, EntranceParams } from "../data-part.ts";
import { defaultLimits, type Limits } from "../http2/limits.ts";
import { type AcceptingPort, acceptSockets } from "../transport/accept-sockets.ts";
import type { Accepted } from "./worker-process.ts";

export interface SharedEntranceDeps {
  readonly limits: Partial<Limits>;
  onForcedClose(reason: string, detail: string): void;
  hand(accepted: Accepted): void;
  /** Has every worker drain its connections; resolves when all have. */
  drain(entrance: number, params: DrainParams): Promise<void>;
}

export class SharedEntrance implements Entrance {
  readonly number: number;
  /** With the port that was taken. */
  readonly params: EntranceParams;
  isAccepting = true;
  connections = 0;
  readonly #port: AcceptingPort;
  readonly #deps: SharedEntranceDeps;

  /** Rejects with the operating system's error when it cannot listen. */
  static async open(number: number, params: EntranceParams, deps: SharedEntranceDeps): Promise<SharedEntrance> {
    let entrance: SharedEntrance;
    const port = await acceptSockets({
      host: params.at.host,
      port: params.at.port,
      limits: { ...defaultLimits, ...deps.limits },
      onForcedClose: (reason, detail) => deps.onForcedClose(reason, detail),
      pauses: true,
      onSocket(socket, leave) {
        socket.on("error", () => {});
        entrance.connections++;
        deps.hand({
          entrance: number,
          socket,
          leave() {
            entrance.connections--;
            leave();
          },
        });
      },
    });
    entrance = new SharedEntrance(number, { ...params, at: { host: port.host, port: port.port } }, port, deps);
    return entrance;
  }

  private constructor(number: number, params: EntranceParams, port: AcceptingPort, deps: SharedEntranceDeps) {
    this.number = number;
    this.params = params;
    this.#port = port;
    this.#deps = deps;
  }

  get host(): string {
    return this.#port.host;
  }

  get port(): number {
    return this.#port.port;
  }

  /** Stops accepting. */
  close(): void {
    this.isAccepting = false;
    this.#port.close();
  }

  async drain(params: DrainParams): Promise<void> {
    this.close();
    await this.#deps.drain(this.number, params);
  }
}
