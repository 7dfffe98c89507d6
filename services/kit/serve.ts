// Puts services on a port: grpc-js server, health, reflection, drain. Called by each service's main and by tests.
// Order of a drain: health says NOT_SERVING and pushes it, callers get time to learn of it, streams without an end of
// their own are told, no new calls are taken (GOAWAY), running calls get the grace period, what is left then is cut.

import { Metadata, Server, ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { type Clock, systemClock, wait } from "../../common/clock.ts";
import type { JsonLog } from "../../common/json-log.ts";
import { randomHex } from "../../common/random.ts";
import { formatAddress } from "../../common/settings.ts";
import type { CallDefaults } from "./call-context.ts";
import type { ServedService } from "./handler.ts";
import { type HealthProbe, HealthState, healthService } from "./health.ts";
import { serviceDefinition } from "./method-definition.ts";
import { reflectionService, reflectionV1Alpha } from "./reflection.ts";
import { grpcHandler } from "./run-handler.ts";
import type { Tracing } from "./tracing.ts";
import { createValidate } from "./validate.ts";

export interface ServeOptions {
  /** Port 0: any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly services: readonly ServedService[];
  readonly health: HealthProbe;
  /** Headers of every reply. */
  readonly headers: Readonly<Record<string, string>>;
  readonly log: JsonLog;
  readonly tracing: Tracing | undefined;
  /** How long a drain goes on taking calls after health has said NOT_SERVING, milliseconds. Default 0. */
  readonly drainPropagationMs?: number;
  /** How long running calls may take then, milliseconds. */
  readonly drainGraceMs: number;
  /** Default: the system's. */
  readonly clock?: Clock;
}

export interface Serving {
  readonly host: string;
  readonly port: number;
  /** Ends the server gracefully; resolves when no call is left, after the grace period at the latest. Idempotent. */
  drain(): Promise<void>;
}

/** Resolves when the port is open and health has been asked once; rejects with one sentence when the port is taken. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const clock = options.clock ?? systemClock;
  const draining = new AbortController();
  const headers = new Metadata();
  for (const [name, value] of Object.entries(options.headers)) headers.set(name, value);
  const health = new HealthState(options.health, clock, options.log);
  const names = options.services.map(({ service }) => service.typeName);
  const served = [...options.services, healthService(health, names)];
  const reflection = reflectionService(served);

  const server = new Server();
  const target = {
    defaults: { headers, draining: draining.signal, clock, randomHex } satisfies CallDefaults,
    validate: createValidate(),
    log: options.log,
    tracing: options.tracing,
  };
  const add = ({ service, handlers }: ServedService, tracing: ServeOptions["tracing"], typeName = service.typeName) => {
    const implementation: UntypedServiceImplementation = {};
    for (const method of service.methods) {
      const handler = handlers[method.localName];
      implementation[method.localName] = grpcHandler({ ...target, tracing, service: typeName, method, handler });
    }
    server.addService(serviceDefinition(service, typeName), implementation);
  };
  for (const service of options.services) add(service, options.tracing);
  // Probes and reflection would fill a trace store with noise.
  for (const service of [...served.slice(options.services.length), reflection]) add(service, undefined);
  add(reflection, undefined, reflectionV1Alpha);

  await health.start();
  const { host } = options.listen;
  const port = await bind(server, host, options.listen.port);
  let drained: Promise<void> | undefined;
  return {
    host,
    port,
    drain() {
      drained ??= drain();
      return drained;
    },
  };

  async function drain(): Promise<void> {
    health.drain();
    const { drainPropagationMs = 0 } = options;
    if (drainPropagationMs > 0) await wait(clock, drainPropagationMs);
    draining.abort(new Error("the process is draining"));
    const cut = clock.after(options.drainGraceMs, () => {
      options.log.error("calls were cut at the end of the grace period", { graceMs: options.drainGraceMs });
      server.forceShutdown();
    });
    await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    cut.cancel();
  }
}

function bind(server: Server, host: string, port: number): Promise<number> {
  const address = formatAddress({ host, port });
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error }));
    });
  });
}
