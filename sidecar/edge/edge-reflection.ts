// Server reflection as the gateway answers it, v1 and v1alpha: the services of all upstreams that are reachable through
// it, and the two that it serves itself. So grpcurl, buf curl and `ferry call` need no proto files.
//
// Each upstream's files stay a set of their own: two teams may both have a `service.proto`, and a file must come with
// the imports that it was built with. A symbol is looked for in the sets in turn. What no route leads to is not listed
// and not answered for. (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md)

import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { type ReflectionIndex, reflectionIndex } from "../../common/reflection-index.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { Call } from "../call.ts";
import { protobufMethod } from "../grpc/protobuf-method.ts";
import { localMethod } from "../grpc/serve-local.ts";
import type { Service } from "../stack.ts";

/** The files of one deployed version of one service. */
export interface ReachableFiles {
  /** Full names of those gRPC services in `files` that a route of the gateway leads to. */
  readonly services: readonly string[];
  /** FileDescriptorProtos as bytes. */
  readonly files: readonly Uint8Array[];
}

export interface EdgeReflectionSource {
  /** Preferred first; the same array as long as nothing changed. */
  reachable(): readonly ReachableFiles[];
}

/** The two methods, by path. */
export function edgeReflection(source: EdgeReflectionSource): ReadonlyMap<string, Service<Call>> {
  let indexed: { readonly of: readonly ReachableFiles[]; readonly index: ReflectionIndex } | undefined;

  function answer(request: ServerReflectionRequest): ServerReflectionResponse {
    const reachable = source.reachable();
    if (indexed?.of !== reachable) {
      const sets = reachable.map(({ services, files }) => ({ services, files: files.map(decodeFile) }));
      indexed = { of: reachable, index: mergedIndex([ownFiles, ...sets]) };
    }
    return indexed.index.answer(request);
  }

  // Both versions have the same messages on the wire.
  const reflect = localMethod(
    protobufMethod(ServerReflection.method.serverReflectionInfo),
    async function* reflect(requests) {
      for await (const request of requests) yield answer(request);
    },
  );
  return new Map([
    ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", reflect],
    ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", reflect],
  ]);
}

const ownServices = [Health, ServerReflection, ServerReflectionAlpha];
const ownFiles: FileSet = {
  services: ownServices.map(({ typeName }) => typeName),
  files: ownServices.map(({ file }) => file.proto),
};

interface FileSet {
  readonly services: readonly string[];
  readonly files: readonly FileDescriptorProto[];
}

function decodeFile(bytes: Uint8Array): FileDescriptorProto {
  return fromBinary(FileDescriptorProtoSchema, bytes);
}

/** One index over several sets of files; the set that serves what is asked for answers, else the first that can. */
export function mergedIndex(sets: readonly FileSet[]): ReflectionIndex {
  const indexes = sets.map(({ files, services }) => reflectionIndex(files, services));
  const names = reflectionIndex(
    [],
    sets.flatMap(({ services }) => services),
  );

  function* inOrder(request: ServerReflectionRequest): Generator<ReflectionIndex> {
    const { messageRequest } = request;
    if (messageRequest.case === "fileContainingSymbol") {
      const symbol = `${messageRequest.value}.`;
      yield* indexes.filter(({ services }) => services.some((service) => symbol.startsWith(`${service}.`)));
    }
    yield* indexes;
  }

  return {
    services: names.services,
    answer(request) {
      if (request.messageRequest.case === "listServices") return names.answer(request);
      for (const index of inOrder(request)) {
        const response = index.answer(request);
        if (response.messageResponse.case !== "errorResponse") return response;
      }
      return names.answer(request);
    },
  };
}
