// The layer that makes the gateway answer health and reflection by itself; every other call passes on. Stands inside
// deadline and shed, so the gateway's own answers keep the same limits. What it answers with is loaded at the first
// such call: the protobuf library costs memory that a gateway without probes need not have.

import type { Call } from "../call.ts";
import { ProxyFailure } from "../failure.ts";
import type { Layer, Service } from "../stack.ts";
import type { EdgeHealthSource } from "./edge-health.ts";
import type { EdgeReflectionSource } from "./edge-reflection.ts";

export interface EdgeDeps {
  readonly health: EdgeHealthSource;
  readonly reflection: EdgeReflectionSource;
}

const own = /^\/grpc\.(?:health\.v1\.Health|reflection\.v1(?:alpha)?\.ServerReflection)\//;

/** The paths that are answered here, for metrics: they are known methods though no upstream has them. */
export const edgeMethods: ReadonlySet<string> = new Set([
  "/grpc.health.v1.Health/Check",
  "/grpc.health.v1.Health/List",
  "/grpc.health.v1.Health/Watch",
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
]);

export function answerLocally(deps: EdgeDeps): Layer<Call> {
  let methods: Promise<ReadonlyMap<string, Service<Call>>> | undefined;

  async function answer(call: Call): ReturnType<Service<Call>> {
    if (!call.isGrpc) throw new ProxyFailure("bad_request", "gateway", `${call.path} is answered to gRPC only`);
    methods ??= loadMethods(deps);
    const method = (await methods).get(call.path);
    if (method === undefined) throw new ProxyFailure("no_route", "gateway", `there is no method ${call.path}`);
    return method(call);
  }

  return (next) =>
    function answerLocally(call) {
      return call.path.startsWith("/grpc.") && own.test(call.path) ? answer(call) : next(call);
    };
}

async function loadMethods({ health, reflection }: EdgeDeps): Promise<ReadonlyMap<string, Service<Call>>> {
  const [{ edgeHealth }, { edgeReflection }] = await Promise.all([
    import("./edge-health.ts"),
    import("./edge-reflection.ts"),
  ]);
  return new Map([...edgeHealth(health), ...edgeReflection(reflection)]);
}
