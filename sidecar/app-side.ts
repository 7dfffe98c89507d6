// The side of a sidecar that faces its application: asks for its health, registers it once it is well, learns which
// gRPC services it has. Built by sidecar.ts in the sidecar role, after the listeners, whose addresses are registered.

import type { Clock } from "../common/clock.ts";
import type { JsonLog } from "../common/json-log.ts";
import type { Address } from "../common/settings.ts";
import { methodTraits } from "./descriptors/method-traits.ts";
import { reflect } from "./descriptors/reflect.ts";
import { grpcHealthProbe, watchAppHealth } from "./discovery/app-health.ts";
import type { Registration, Registry } from "./discovery/registry.ts";
import type { RequestSender } from "./http2/request-sender.ts";
import { Registrar } from "./registrar.ts";
import type { MethodTraits } from "./routing/snapshot.ts";

export interface AppSideParams {
  readonly app: Address;
  readonly registration: Registration;
  /** Full gRPC service names when they were stated; empty: the application is asked. */
  readonly grpcServices: readonly string[];
  readonly healthIntervalMs: number;
  readonly healthTimeoutMs: number;
}

export interface AppSideDeps {
  readonly clock: Clock;
  readonly log: JsonLog;
  readonly registry: Registry;
  readonly sender: RequestSender;
  readonly signal: AbortSignal;
  /** Told what was learned of the application's methods. */
  onMethods(methods: Readonly<Record<string, MethodTraits>>): void;
}

/** Begins to watch; the registrar says how the application is. */
export function watchApp(params: AppSideParams, deps: AppSideDeps): Registrar {
  const { app, registration, grpcServices } = params;
  const { clock, log, registry, sender, signal } = deps;

  async function learnServices(): Promise<readonly string[]> {
    if (grpcServices.length > 0) return grpcServices;
    const { service } = registration;
    const reflected = await reflect({ sender, clock }, { host: app.host, port: app.port, service });
    deps.onMethods(methodTraits(reflected.summaries));
    return reflected.services;
  }

  const onTrouble = (sentence: string) => log.error(sentence);
  const registrar = new Registrar({ registry, registration, clock, learnServices, onTrouble });
  watchAppHealth({
    probe: grpcHealthProbe({ ...app, timeoutMs: params.healthTimeoutMs, clock, sender }),
    intervalMs: params.healthIntervalMs,
    clock,
    signal,
    onChange: ({ health, note }) => {
      log.info("application changed health", { health, ...(note !== "" && { note }) });
      registrar.setHealth(health, note);
    },
  });
  return registrar;
}
