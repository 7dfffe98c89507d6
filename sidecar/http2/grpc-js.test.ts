// grpc-js on both sides of a relay: our server role and our client role against the peer that the services use.

import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EchoClient, type EchoServer, startEchoServer } from "./testing/echo-service.ts";
import { type Relay, startRelay } from "./testing/relay.ts";

let backend: EchoServer;
let relay: Relay;
let client: EchoClient;

beforeAll(async () => {
  backend = await startEchoServer();
  relay = await startRelay(0, backend.port);
  client = new EchoClient(relay.port);
});

afterAll(async () => {
  client.close();
  await relay.close();
  backend.close();
});

describe("grpc-js through a relay", () => {
  test("a unary call arrives with its binary metadata and its trailers", async () => {
    const metadata = new Metadata();
    metadata.add("x-echo-bin", Buffer.from([0, 255, 10, 13]));
    metadata.add("x-echo-bin", Buffer.from([1]));
    const { reply, trailers } = await client.unary(Buffer.from("hello"), metadata);
    expect(reply.toString()).toBe("hello");
    expect(trailers.get("x-echo-bin")).toEqual([Buffer.from([0, 255, 10, 13]), Buffer.from([1])]);
  });

  test("an empty message and one of 8 MB come back whole", async () => {
    expect((await client.unary(Buffer.alloc(0))).reply.length).toBe(0);
    const big = Buffer.alloc(8 << 20, "0123456789abcdef");
    expect((await client.unary(big)).reply.equals(big)).toBe(true);
  });

  test("a failure keeps its code and its message", async () => {
    const metadata = new Metadata();
    metadata.set("x-fail", "9");
    await expect(client.unary(Buffer.from("x"), metadata)).rejects.toMatchObject({ code: 9, details: "as asked: ü" });
  });

  test("a client stream of 3 MB is counted by the server to the octet", async () => {
    expect(await client.clientStream(Array.from({ length: 300 }, () => Buffer.alloc(10_000)))).toBe(3_000_000);
  });

  test("a server stream of many small and of few big messages arrives whole and in order", async () => {
    expect((await client.serverStream(2000, 10)).length).toBe(2000);
    expect(await client.serverStream(20, 300_000)).toEqual(Array.from({ length: 20 }, () => 300_000));
  });

  test("a duplex stream answers each message before the next is sent", async () => {
    const call = client.duplex();
    for (let i = 0; i < 20; i++) {
      const answer = new Promise<Buffer>((resolve) => call.once("data", resolve));
      call.write(Buffer.from(`message ${i}`));
      expect((await answer).toString()).toBe(`message ${i}`);
    }
    const ended = new Promise((resolve) => call.once("end", resolve));
    call.end();
    await ended;
  });

  test("1,000 calls at once are answered on one connection to the relay", async () => {
    const replies = await Promise.all(
      Array.from({ length: 1000 }, (_, i) =>
        client.unary(Buffer.alloc(100, i)).then(({ reply }) => reply[0] === (i & 255)),
      ),
    );
    expect(replies.every(Boolean)).toBe(true);
    expect(relay.listening.connections).toBe(1);
  });

  test("a caller that gives up is a cancel to the server", async () => {
    const before = { ...backend.seen };
    const { cancel, ended } = client.sleeping();
    await expect.poll(() => backend.seen.calls).toBe(before.calls + 1);
    cancel();
    expect(await ended).toBe(1);
    await expect.poll(() => backend.seen.cancelled).toBe(before.cancelled + 1);
  });
});
