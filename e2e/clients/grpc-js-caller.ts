// grpc-js as a client of echo.proto, with one connection of its own.

import { once } from "node:events";
import { type CallOptions, Client, credentials, Metadata, type StatusObject } from "@grpc/grpc-js";
import { decodeBytes, echoMethod, encodeBytes } from "./echo-backend.ts";
import type { EchoCaller, EchoedMetadata, UnaryOptions, UnaryResult } from "./echo-caller.ts";

export function grpcJsCaller(port: number): EchoCaller {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    ...{ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 },
    ...{ "grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0 },
  });
  const open = (name: Parameters<typeof echoMethod>[0], metadata = new Metadata(), options: CallOptions = {}) =>
    client.makeBidiStreamRequest(echoMethod(name).path, encodeBytes, decodeBytes, metadata, options);
  return {
    async unary(payload, options = {}): Promise<UnaryResult> {
      const call = open("Unary", metadataOf(options));
      let header = new Metadata();
      const received: Buffer[] = [];
      call.on("metadata", (metadata) => {
        header = metadata;
      });
      call.on("data", (message: Buffer) => received.push(message));
      call.on("error", () => {});
      call.write(payload);
      call.end();
      const [status]: StatusObject[] = await once(call, "status");
      const { code, metadata } = status!;
      return { code, payload: Buffer.concat(received), header: echoedIn(header), trailers: echoedIn(metadata) };
    },
    async clientStream(payloads) {
      const call = open("ClientStream");
      for (const payload of payloads) if (!call.write(payload)) await once(call, "drain");
      call.end();
      const [reply] = await once(call, "data");
      return String(reply);
    },
    async serverStream(count, size) {
      const call = open("ServerStream");
      const received: Buffer[] = [];
      call.on("data", (message: Buffer) => received.push(message));
      call.write(Buffer.from(`${count},${size}`));
      call.end();
      await once(call, "end");
      return received;
    },
    async pingPong(payloads) {
      const call = open("Duplex");
      const received: Buffer[] = [];
      for (const payload of payloads) {
        call.write(payload);
        received.push((await once(call, "data"))[0]);
      }
      call.end();
      call.resume();
      await once(call, "end");
      return received;
    },
    sleep(timeoutMs) {
      const call = open("Sleep", new Metadata(), timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs });
      call.on("error", () => {});
      call.resume();
      call.write(Buffer.from("z"));
      call.end();
      // Not by `once`, which rejects when "error" comes first.
      const code = new Promise<number>((resolve) => call.on("status", (status) => resolve(status.code)));
      return { cancel: () => call.cancel(), code };
    },
    close: () => client.close(),
  };
}

function metadataOf({ ascii = [], binary = [], together }: UnaryOptions): Metadata {
  const metadata = new Metadata();
  for (const value of ascii) metadata.add("x-echo", value);
  for (const value of binary) metadata.add("x-echo-bin", value);
  if (together !== undefined) metadata.set("x-together", `${together}`);
  return metadata;
}

function echoedIn(metadata: Metadata): EchoedMetadata {
  const binary = metadata.get("x-echo-bin").map((value) => Buffer.from(value));
  return { ascii: metadata.get("x-echo").flatMap((value) => String(value).split(", ")), binary };
}
