// The network between one sidecar and the instances it calls, in the place of its pool: one connection to each
// instance, opened when it is first needed, and half a millisecond there and back. Counts what was sent on connections.

import type { BodySource } from "../../sidecar/http2/body.ts";
import type { ClientStream, ReplyListener } from "../../sidecar/http2/client.ts";
import { ErrorCode, StreamError } from "../../sidecar/http2/error-code.ts";
import type { HeaderFields } from "../../sidecar/http2/header-field.ts";
import type { RequestSender } from "../../sidecar/http2/request-sender.ts";
import { Exchange } from "./exchange.ts";
import type { Arrived, ModelledServer } from "./modelled-server.ts";
import type { SimulationClock } from "./simulation-clock.ts";

const oneWayMs = 0.25;

export interface NetworkDeps {
  readonly clock: SimulationClock;
  /** By host. */
  readonly servers: ReadonlyMap<string, ModelledServer>;
  /** Where a request goes that has arrived; default: to the server itself. */
  readonly deliver?: (server: ModelledServer, request: Arrived) => void;
  /** Told of each request that goes onto a connection. */
  readonly onSent: () => void;
}

interface Link {
  isOpen: boolean;
  readonly waiting: Exchange[];
  readonly underWay: Set<Exchange>;
}

export class ModelledNetwork implements RequestSender {
  readonly #deps: NetworkDeps;
  readonly #links = new Map<string, Link>();

  constructor(deps: NetworkDeps) {
    this.#deps = deps;
    for (const [host, server] of deps.servers) {
      server.onLoss(() => {
        const link = this.#links.get(host);
        this.#links.delete(host);
        for (const exchange of link?.underWay ?? []) exchange.lose();
      });
    }
  }

  request(
    host: string,
    _port: number,
    connectTimeoutMs: number,
    fields: HeaderFields,
    body: BodySource | undefined,
    listener: ReplyListener,
  ): ClientStream {
    const exchange = new Exchange(fields, body, listener);
    let link = this.#links.get(host);
    if (link === undefined) {
      link = { isOpen: false, waiting: [], underWay: new Set() };
      this.#links.set(host, link);
      this.#connect(host, link, connectTimeoutMs);
    }
    if (link.isOpen) this.#send(host, link, exchange);
    else link.waiting.push(exchange);
    return exchange;
  }

  #connect(host: string, link: Link, timeoutMs: number): void {
    const { clock, servers } = this.#deps;
    const server = servers.get(host)!;
    const isVanished = server.health === "vanished";
    clock.after(isVanished ? timeoutMs : 2 * oneWayMs, () => {
      const code = isVanished ? ErrorCode.SETTINGS_TIMEOUT : ErrorCode.CONNECT_ERROR;
      if (isVanished || server.health === "down") {
        this.#links.delete(host);
        for (const exchange of link.waiting) exchange.fail(new StreamError(code, "connection", "no connection", true));
        return;
      }
      link.isOpen = true;
      for (const exchange of link.waiting.splice(0)) if (!exchange.isCancelled) this.#send(host, link, exchange);
    });
  }

  #send(host: string, link: Link, exchange: Exchange): void {
    const { clock, servers, onSent, deliver = (server, request) => server.take(request) } = this.#deps;
    onSent();
    link.underWay.add(exchange);
    exchange.begin((answer) => {
      clock.after(oneWayMs, () => {
        link.underWay.delete(exchange);
        exchange.play(answer);
      });
    });
    clock.after(oneWayMs, () => deliver(servers.get(host)!, exchange));
  }
}
