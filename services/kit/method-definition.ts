// A generated protobuf-es service as grpc-js wants it: paths, kinds and the functions between messages and bytes.
// Used by serve.ts and, in tests, to make clients.

import {
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  toBinary,
} from "@bufbuild/protobuf";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";

/**
 * The definition of all methods by their local names. `typeName` stands in for the service's own name where one schema
 * is served under two (reflection v1 and v1alpha).
 */
export function serviceDefinition(service: DescService, typeName: string = service.typeName): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method, typeName)]));
}

function methodDefinition(method: DescMethod, typeName: string): MethodDefinition<Message, Message> {
  return {
    path: `/${typeName}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: serialize(method.input),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: serialize(method.output),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}

function serialize(schema: DescMessage): (message: Message) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}
