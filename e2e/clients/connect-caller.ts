// connect-node's gRPC transport as a client of echo.proto, with one connection of its own.

import { create, createFileRegistry, type DescMethod, type DescService } from "@bufbuild/protobuf";
import {
  type BytesValue,
  BytesValueSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, decodeBinaryHeader, encodeBinaryHeader } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { EchoCaller, EchoedMetadata, UnaryOptions } from "./echo-caller.ts";

export function connectCaller(port: number): EchoCaller {
  const baseUrl = `http://127.0.0.1:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager });
  const service = echoService();
  const stream = async function* (name: string, requests: AsyncIterable<BytesValue>): AsyncGenerator<Buffer> {
    const method = service.method[name] as DescMethod & { methodKind: "bidi_streaming" };
    const response = await transport.stream(method, undefined, undefined, undefined, requests);
    for await (const message of response.message) yield Buffer.from((message as BytesValue).value);
  };
  return {
    async unary(payload, options = {}) {
      const method = service.method.unary as DescMethod & { methodKind: "unary" };
      const response = await transport.unary(method, undefined, undefined, headersOf(options), bytes(payload));
      return {
        code: 0,
        payload: Buffer.from((response.message as BytesValue).value),
        ...{ header: echoedIn(response.header), trailers: echoedIn(response.trailer) },
      };
    },
    async clientStream(payloads) {
      for await (const reply of stream("clientStream", each(payloads))) return reply.toString();
      throw new Error("no reply");
    },
    async serverStream(count, size) {
      return collect(stream("serverStream", each([Buffer.from(`${count},${size}`)])));
    },
    async pingPong(payloads) {
      const received: Buffer[] = [];
      let wake = Promise.withResolvers<void>();
      async function* requests(): AsyncGenerator<BytesValue> {
        for (const payload of payloads) {
          wake = Promise.withResolvers<void>();
          yield bytes(payload);
          await wake.promise;
        }
      }
      for await (const reply of stream("duplex", requests())) {
        received.push(reply);
        wake.resolve();
      }
      return received;
    },
    sleep(timeoutMs) {
      const abort = new AbortController();
      const method = service.method.sleep as DescMethod & { methodKind: "unary" };
      const code = transport.unary(method, abort.signal, timeoutMs, undefined, bytes(Buffer.from("z"))).then(
        () => 0,
        (error: unknown) => ConnectError.from(error, Code.Internal).code as number,
      );
      return { cancel: () => abort.abort(), code };
    },
    close: () => sessionManager.abort(),
  };
}

async function collect(replies: AsyncIterable<Buffer>): Promise<readonly Buffer[]> {
  const collected: Buffer[] = [];
  for await (const reply of replies) collected.push(reply);
  return collected;
}

function bytes(value: Buffer): BytesValue {
  return create(BytesValueSchema, { value: new Uint8Array(value) });
}

async function* each(payloads: readonly Buffer[]): AsyncGenerator<BytesValue> {
  for (const payload of payloads) yield bytes(payload);
}

function headersOf({ ascii = [], binary = [], together }: UnaryOptions): Headers {
  const headers = new Headers();
  for (const value of ascii) headers.append("x-echo", value);
  for (const value of binary) headers.append("x-echo-bin", encodeBinaryHeader(new Uint8Array(value)));
  if (together !== undefined) headers.set("x-together", `${together}`);
  return headers;
}

function echoedIn(headers: Headers): EchoedMetadata {
  const split = (name: string) => (headers.get(name) ?? "").split(", ").filter((value) => value !== "");
  const binary = split("x-echo-bin").flatMap((values) => values.split(","));
  return { ascii: split("x-echo"), binary: binary.map((value) => Buffer.from(decodeBinaryHeader(value))) };
}

/** echo.proto, described here so that no code has to be generated for a test. */
function echoService(): DescService {
  const [inputType, outputType] = [".google.protobuf.BytesValue", ".google.protobuf.BytesValue"];
  const method = (name: string, clientStreaming = false, serverStreaming = false) => {
    return { name, inputType, outputType, clientStreaming, serverStreaming };
  };
  const file = create(FileDescriptorProtoSchema, {
    ...{ name: "echo.proto", package: "e2e.echo", syntax: "proto3", dependency: ["google/protobuf/wrappers.proto"] },
    service: [
      {
        name: "Echo",
        method: [
          ...[method("Unary"), method("ClientStream", true), method("ServerStream", false, true)],
          ...[method("Duplex", true, true), method("Sleep")],
        ],
      },
    ],
  });
  const set = create(FileDescriptorSetSchema, { file: [file_google_protobuf_wrappers.proto, file] });
  const service = createFileRegistry(set).getService("e2e.echo.Echo");
  if (service === undefined) throw new Error("e2e.echo.Echo is not described");
  return service;
}
