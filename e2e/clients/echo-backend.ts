// Serves echo.proto by grpc-js, for clients of all makes behind the proxy.

import { createHash } from "node:crypto";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import {
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";

export function encodeBytes(value: Uint8Array): Buffer {
  return Buffer.from(toBinary(BytesValueSchema, { $typeName: "google.protobuf.BytesValue", value }));
}

export function decodeBytes(message: Uint8Array): Buffer {
  return Buffer.from(fromBinary(BytesValueSchema, message).value);
}

export function echoMethod(
  name: "Unary" | "ClientStream" | "ServerStream" | "Duplex" | "Sleep",
  requestStream = false,
  responseStream = false,
): MethodDefinition<Buffer, Buffer> {
  return {
    ...{ path: `/e2e.echo.Echo/${name}`, requestStream, responseStream },
    ...{ requestSerialize: encodeBytes, requestDeserialize: decodeBytes },
    ...{ responseSerialize: encodeBytes, responseDeserialize: decodeBytes },
  };
}

export interface EchoBackend {
  readonly port: number;
  /** Calls of Sleep that wait, and those that were cancelled. */
  readonly sleeping: { now: number; cancelled: number };
  close(): void;
}

/** What a request's metadata asks to have back. */
function echoed(metadata: Metadata): Metadata {
  const back = new Metadata();
  for (const name of ["x-echo", "x-echo-bin"]) for (const value of metadata.get(name)) back.add(name, value);
  return back;
}

export async function startEchoBackend(): Promise<EchoBackend> {
  const sleeping = { now: 0, cancelled: 0 };
  const together: (() => void)[] = [];
  const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
  const methods = {
    unary: echoMethod("Unary"),
    clientStream: echoMethod("ClientStream", true, false),
    serverStream: echoMethod("ServerStream", false, true),
    duplex: echoMethod("Duplex", true, true),
    sleep: echoMethod("Sleep"),
  };
  server.addService(methods, {
    unary(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
      const metadata = echoed(call.metadata);
      const reply = () => {
        call.sendMetadata(metadata);
        callback(null, call.request, metadata);
      };
      const [count] = call.metadata.get("x-together");
      if (count === undefined) {
        reply();
        return;
      }
      together.push(reply);
      if (together.length >= Number(count)) for (const one of together.splice(0)) one();
    },
    clientStream(call: ServerReadableStream<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
      const hash = createHash("sha256");
      call.on("data", (chunk: Buffer) => hash.update(chunk));
      call.on("end", () => callback(null, Buffer.from(hash.digest("hex"))));
    },
    serverStream(call: ServerWritableStream<Buffer, Buffer>) {
      const [count = 0, size = 0] = call.request.toString().split(",").map(Number);
      for (let i = 0; i < count; i++) call.write(Buffer.alloc(size, i));
      call.end(echoed(call.metadata));
    },
    duplex(call: ServerDuplexStream<Buffer, Buffer>) {
      call.on("data", (chunk: Buffer) => call.write(chunk));
      call.on("end", () => call.end(echoed(call.metadata)));
    },
    sleep(call: ServerUnaryCall<Buffer, Buffer>) {
      sleeping.now++;
      call.on("cancelled", () => {
        sleeping.now--;
        sleeping.cancelled++;
      });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, sleeping, close: () => server.forceShutdown() };
}
