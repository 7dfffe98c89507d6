// Server reflection, v1 and v1alpha, so that grpcurl, `buf curl` and `ferry call` need no proto files. The answers come
// from common/reflection-index.ts; this file only gathers the descriptors of what is served. Added by serve.ts.

import type { DescFile } from "@bufbuild/protobuf";
import type { FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { type ReflectionIndex, reflectionIndex } from "../../common/reflection-index.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { implement, type ServedService } from "./handler.ts";

/** The name of the older version, which many clients still ask first; its messages are the same on the wire. */
export const reflectionV1Alpha = "grpc.reflection.v1alpha.ServerReflection";

export function reflectionService(served: readonly ServedService[]): ServedService {
  const files = new Set<FileDescriptorProto>();
  for (const { service } of served) gather(service.file, files);
  gather(ServerReflection.file, files);
  const names = [...served.map(({ service }) => service.typeName), ServerReflection.typeName];
  return implement(ServerReflection, { serverReflectionInfo: answers(reflectionIndex([...files], names)) });
}

function answers(index: ReflectionIndex) {
  return async function* serverReflectionInfo(requests: AsyncIterable<Parameters<ReflectionIndex["answer"]>[0]>) {
    for await (const request of requests) yield index.answer(request);
    return undefined;
  };
}

function gather(file: DescFile, into: Set<FileDescriptorProto>): void {
  if (into.has(file.proto)) return;
  into.add(file.proto);
  for (const dependency of file.dependencies) gather(dependency, into);
}
