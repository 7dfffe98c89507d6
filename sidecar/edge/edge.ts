// The layer that makes the gateway answer health and reflection by itself; every other call passes on. Stands inside
// deadline and shed, so the gateway's own answers keep the same limits. Reflection is loaded when it is first asked:
// the protobuf library costs 30 MB that a gateway which is only probed need not have.

import type { Call, Reply } from "../call.ts";
import { ProxyFailure } from "../failure.ts";
import { PendingReply } from "../pending-reply.ts";
import type { Layer, Service } from "../stack.ts";
import { type EdgeHealthSource, edgeHealth } from "./edge-health.ts";
import type { EdgeReflectionSource } from "./edge-reflection.ts";

export interface EdgeDeps {
  readonly health: EdgeHealthSource;
  readonly reflection: EdgeReflectionSource;
}

/** The paths that are answered here, for metrics: they are known methods though no upstream has them. */
export const edgeMethods: ReadonlySet<string> = new Set([
  "/grpc.health.v1.Health/Check",
  "/grpc.health.v1.Health/List",
  "/grpc.health.v1.Health/Watch",
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
]);

export function answerLocally(deps: EdgeDeps): Layer<Call> {
  const health = edgeHealth(deps.health);
  let reflection: Promise<ReadonlyMap<string, Service<Call>>> | undefined;

  async function answer(call: Call): Promise<Reply> {
    if (!call.isGrpc) throw new ProxyFailure("bad_request", "gateway", `${call.path} is answered to gRPC only`);
    if (!edgeMethods.has(call.path)) throw new ProxyFailure("no_route", "gateway", `there is no method ${call.path}`);
    const own = health.get(call.path);
    if (own !== undefined) return own(call);
    reflection ??= import("./edge-reflection.ts").then(({ edgeReflection }) => edgeReflection(deps.reflection));
    return (await reflection).get(call.path)!(call);
  }

  return (next) =>
    function answerLocally(call) {
      return call.path.startsWith("/grpc.") && ownServices.test(call.path)
        ? PendingReply.from(answer(call))
        : next(call);
    };
}

const ownServices = /^\/grpc\.(?:health\.v1\.Health|reflection\.v1(?:alpha)?\.ServerReflection)\//;
