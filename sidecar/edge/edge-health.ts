// grpc.health.v1 as the gateway answers it: for itself under the empty name, and for every gRPC service that it routes,
// SERVING while the route has a healthy endpoint. (https://github.com/grpc/grpc/blob/master/doc/health-checking.md,
// gRFC A90 for List)

import type { Call } from "../call.ts";
import { localMethod } from "../grpc/serve-local.ts";
import { Status } from "../grpc/status.ts";
import { StatusError } from "../grpc/status-error.ts";
import type { Service } from "../stack.ts";
import { checkMethod, listMethod, ServingStatus, watchMethod } from "./health-messages.ts";

/** What the gateway knows about the health of what it routes to. */
export interface EdgeHealthSource {
  /** The gateway takes calls: it has its first snapshot and does not drain. */
  isReady(): boolean;
  /** Full names of the gRPC services that are routed and known. */
  services(): readonly string[];
  /** Whether the service's route has a healthy endpoint; undefined: nothing routes that service. */
  isServing(grpcService: string): boolean | undefined;
  /** The gateway ends: watches are told and then ended, or they would hold the drain up. Default: never. */
  isDraining?(): boolean;
  /** Calls `listener` after anything of the above may have changed; returns how to stop that. */
  onChange(listener: () => void): () => void;
}

/** gRFC A90: a longer list is refused, because a client cannot want it. */
const maxListed = 100;

/** The three methods, by path. */
export function edgeHealth(source: EdgeHealthSource): ReadonlyMap<string, Service<Call>> {
  const statusOf = (service: string) => statusFor(service === "" ? source.isReady() : source.isServing(service));

  return new Map([
    [
      "/grpc.health.v1.Health/Check",
      localMethod(checkMethod, (service) => {
        const status = statusOf(service);
        if (status === ServingStatus.SERVICE_UNKNOWN) {
          throw new StatusError(Status.NOT_FOUND, `nothing here routes a gRPC service named ${service}`);
        }
        return status;
      }),
    ],
    [
      "/grpc.health.v1.Health/List",
      localMethod(listMethod, () => {
        const services = source.services();
        if (services.length >= maxListed) {
          const message = `${services.length + 1} services are more than the ${maxListed} that a list may have`;
          throw new StatusError(Status.RESOURCE_EXHAUSTED, message);
        }
        return new Map(["", ...services].map((name) => [name, statusOf(name)]));
      }),
    ],
    [
      "/grpc.health.v1.Health/Watch",
      localMethod(watchMethod, (service, { signal }) => changes(() => statusOf(service), source, signal)),
    ],
  ]);
}

/** The status now, and again whenever it is another one; changes in between that cancel out are not told. */
async function* changes(
  read: () => ServingStatus,
  source: EdgeHealthSource,
  signal: AbortSignal,
): AsyncGenerator<ServingStatus> {
  let wake = () => {};
  const stop = source.onChange(() => wake());
  const onAbort = () => wake();
  signal.addEventListener("abort", onAbort);
  try {
    let told: ServingStatus | undefined;
    while (!signal.aborted) {
      const status = source.isDraining?.() ? ServingStatus.NOT_SERVING : read();
      if (status !== told) {
        told = status;
        yield status;
        // It may have changed while the caller took its time.
        continue;
      }
      if (source.isDraining?.()) throw new StatusError(Status.UNAVAILABLE, "the gateway is draining");
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}

function statusFor(isServing: boolean | undefined): ServingStatus {
  if (isServing === undefined) return ServingStatus.SERVICE_UNKNOWN;
  return isServing ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
}
