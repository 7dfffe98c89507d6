// What an incident happens to: services with their instances, and the clients' one way in. One tier of instances, or
// three behind one another, where each instance calls the next tier through a way out of its own.

import { type Random, seededRandom } from "../../common/random.ts";
import type { Call } from "../../sidecar/call.ts";
import { ProxyFailure } from "../../sidecar/failure.ts";
import { parseGrpcTimeout } from "../../sidecar/grpc/timeout.ts";
import { fieldValue } from "../../sidecar/http2/header-field.ts";
import type { RequestSender } from "../../sidecar/http2/request-sender.ts";
import { inboundStack } from "../../sidecar/inbound/stack.ts";
import { TriedTraces } from "../../sidecar/resilience/tried-traces.ts";
import type { Service } from "../../sidecar/stack.ts";
import { Exchange } from "./exchange.ts";
import { ModelledNetwork } from "./modelled-network.ts";
import { failedAnswer, okAnswer } from "./modelled-reply.ts";
import { type Arrived, ModelledServer, type ServerShape, type Work } from "./modelled-server.ts";
import { makeHop, type Policy } from "./policies.ts";
import { callToEnd, readReply, receiveCall, requestFields, statusOf } from "./simulated-call.ts";
import { SimulationClock } from "./simulation-clock.ts";

/** A service: its instances, all alike. */
export interface Tier {
  readonly name: string;
  readonly instances: number;
  readonly shape: ServerShape;
}

export class World {
  readonly clock = new SimulationClock();
  /** Requests that were sent to the last tier, and when (milliseconds). */
  readonly sentAtMs: number[] = [];
  readonly #policy: Policy;
  readonly #seed: number;
  readonly #tiers: (readonly ModelledServer[])[] = [];
  readonly #waysIn = new Map<ModelledServer, (request: Arrived) => void>();
  readonly #entrance: Service<Call>;
  readonly #upstream: string;
  #streams = 0;

  /** `tiers`: the one that the clients call comes first. */
  constructor(policy: Policy, tiers: readonly Tier[], seed: number) {
    this.#policy = policy;
    this.#seed = seed;
    let next: Tier | undefined;
    for (const tier of tiers.toReversed()) {
      this.#addTier(tier, next);
      next = tier;
    }
    this.#upstream = next!.name;
    this.#entrance = this.#wayOut(next!);
  }

  /** The instances of the last tier: where things go wrong. */
  get servers(): readonly ModelledServer[] {
    return this.#tiers.at(-1)!;
  }

  /** A stream of chance of its own: what one part draws does not change what another draws. */
  random(): Random {
    return seededRandom(this.#seed * 1_000_003 + ++this.#streams);
  }

  /** One call of a client; resolves with its gRPC status. */
  call(timeoutMs: number) {
    return callToEnd(this.#entrance, receiveCall(this.clock, requestFields(this.#upstream, timeoutMs)));
  }

  #addTier(tier: Tier, next: Tier | undefined): void {
    const servers = Array.from({ length: tier.instances }, (_, n) => {
      const traces = new TriedTraces();
      const work = next === undefined ? undefined : this.#callOn(next, traces);
      const deps = { clock: this.clock, random: this.random(), ...(work !== undefined && { work }) };
      const server = new ModelledServer(`${tier.name}-${n + 1}`, tier.shape, deps);
      this.#waysIn.set(server, this.#wayIn(server, traces));
      return server;
    });
    this.#tiers.unshift(servers);
  }

  /** Work that is a call of the next tier, with the time that the caller has left, and its answer passed back. */
  #callOn(next: Tier, traces: TriedTraces): Work {
    const service = this.#wayOut(next, traces);
    return (request) => {
      const timeoutMs = parseGrpcTimeout(fieldValue(request.fields, "grpc-timeout") ?? "") ?? 0;
      const call = receiveCall(this.clock, requestFields(next.name, timeoutMs, request.fields));
      request.onCancel(() => call.cancel(new ProxyFailure("cancelled", "", "caller went away")));
      // An application passes the status on and nothing else.
      void callToEnd(service, call).then((answer) => {
        const status = statusOf(answer);
        request.answer(status === 0 ? okAnswer : failedAnswer(status));
      });
    };
  }

  /** What one process has between itself and `tier`. */
  #wayOut(tier: Tier, traces = new TriedTraces()): Service<Call> {
    const { clock } = this;
    const isLast = this.#tiers.length === 1;
    const servers = new Map(this.#tiers[0]!.map((server) => [server.name, server]));
    const sender = new ModelledNetwork({
      ...{ clock, servers },
      onSent: () => {
        if (isLast) this.sentAtMs.push(clock.nowMs());
      },
      ...(this.#policy === "ferry" && { deliver: (server, request) => this.#waysIn.get(server)!(request) }),
    });
    const hosts = [...servers.keys()];
    return makeHop(this.#policy, { clock, random: this.random(), sender, traces, upstream: tier.name, hosts });
  }

  /** The real way in of our sidecar before an instance. */
  #wayIn(server: ModelledServer, traces: TriedTraces): (request: Arrived) => void {
    const { clock } = this;
    const service = inboundStack(
      { app: { host: server.name, port: 9000 }, appName: server.name, maxCallsInFlight: 10_000 },
      { clock, random: this.random(), sender: senderTo(server, clock), traces, recorders: [], reportDefect },
    );
    return (request) => {
      const call = receiveCall(clock, request.fields);
      request.onCancel(() => call.cancel(new ProxyFailure("cancelled", "", "caller went away")));
      void service(call)
        .then(readReply)
        .then((answer) => request.answer(answer));
    };
  }
}

/** The connection of a sidecar to its own application: takes no time. */
function senderTo(server: ModelledServer, clock: SimulationClock): RequestSender {
  return {
    request(_host, _port, _connectTimeoutMs, fields, body, listener) {
      const exchange = new Exchange(fields, body, listener);
      exchange.begin((answer) => clock.after(0, () => exchange.play(answer)));
      server.take(exchange);
      return exchange;
    },
  };
}

function reportDefect(error: unknown): never {
  throw error;
}
