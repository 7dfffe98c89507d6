// A grpc-js server that answers reflection about given files, one file at a time as strict servers do, in one version
// only; and any further methods on bytes.

import type { AddressInfo } from "node:net";
import {
  clearField,
  clone,
  create,
  type DescFile,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  FieldDescriptorProtoSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { type handleBidiStreamingCall, Server, ServerCredentials } from "@grpc/grpc-js";
import type { Address } from "../../../common/settings.ts";
import {
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../../gen/grpc/reflection/v1/reflection_pb.ts";

type Answer = MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"];

const bytes = (value: Buffer): Buffer => value;

/** Takes a method's path to its handler; every method is a two-way stream. */
export type Handlers = Readonly<Record<string, handleBidiStreamingCall<Buffer, Buffer>>>;

export async function reflectionServer(
  version: "v1" | "v1alpha" | "none",
  files: readonly DescFile[],
  handlers: Handlers = {},
): Promise<{ address: Address; close: () => void }> {
  const server = new Server();
  const add = (path: string, handler: handleBidiStreamingCall<Buffer, Buffer>) =>
    server.addService(
      {
        [path]: {
          ...{ path, requestStream: true, responseStream: true, requestSerialize: bytes, requestDeserialize: bytes },
          ...{ responseSerialize: bytes, responseDeserialize: bytes },
        },
      },
      { [path]: handler },
    );
  for (const [path, handler] of Object.entries(handlers)) add(path, handler);
  if (version !== "none") {
    add(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, (call) => {
      call.on("data", (data: Buffer) => {
        const { messageRequest } = fromBinary(ServerReflectionRequestSchema, data);
        const messageResponse = answer(messageRequest.case, String(messageRequest.value), files);
        const response = create(ServerReflectionResponseSchema, { messageResponse: messageResponse! });
        call.write(Buffer.from(toBinary(ServerReflectionResponseSchema, response)));
      });
      call.on("end", () => call.end());
    });
  }
  const port = await new Promise<AddressInfo["port"]>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { address: { host: "127.0.0.1", port }, close: () => server.forceShutdown() };
}

function answer(question: string | undefined, value: string, files: readonly DescFile[]): Answer {
  if (question === "listServices") {
    const service = files.flatMap((file) => file.services.map(({ typeName }) => ({ name: typeName })));
    return { case: "listServicesResponse", value: { service } };
  }
  const isWanted = (file: DescFile) =>
    question === "fileByFilename"
      ? file.proto.name === value
      : file.services.some(({ typeName }) => typeName === value);
  const file = files.find(isWanted);
  if (file === undefined) return { case: "errorResponse", value: { errorCode: 5, errorMessage: `${value} not found` } };
  const fileDescriptorProto = [toBinary(FileDescriptorProtoSchema, withoutJsonNames(file))];
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

/** As Python's servers answer: what can be derived is left out. */
function withoutJsonNames(file: DescFile): FileDescriptorProto {
  const proto = clone(FileDescriptorProtoSchema, file.proto);
  const strip = (message: DescriptorProto) => {
    for (const field of message.field) clearField(field, FieldDescriptorProtoSchema.field.jsonName);
    message.nestedType.forEach(strip);
  };
  proto.messageType.forEach(strip);
  return proto;
}
