// The proxy suite's cases with grpc-js on both sides: every kind of call, big messages and many calls at once, each
// payload checked by its digest.

import { createHash, randomBytes } from "node:crypto";
import { Metadata } from "@grpc/grpc-js";
import { expect } from "vitest";
import { EchoClient, startEchoServer } from "../http2/testing/echo-service.ts";
import type { StartProxyUnderTest } from "./proxy-under-test.ts";

export interface CallCase {
  readonly title: string;
  run(start: StartProxyUnderTest): Promise<void>;
}

interface EchoRig {
  readonly client: EchoClient;
  readonly seen: { calls: number; cancelled: number };
}

async function withEcho(start: StartProxyUnderTest, play: (rig: EchoRig) => Promise<void>): Promise<void> {
  const server = await startEchoServer();
  const proxy = await start(server.port);
  const client = new EchoClient(proxy.port);
  try {
    await play({ client, seen: server.seen });
  } finally {
    client.close();
    await proxy.close();
    server.close();
  }
}

const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

export const callCases: readonly CallCase[] = [
  {
    title: "a unary call with binary metadata, an empty message and one of 8 MB come back whole",
    run: (start) =>
      withEcho(start, async ({ client }) => {
        const metadata = new Metadata();
        const id = randomBytes(300);
        metadata.add("x-echo-bin", id);
        const { reply, trailers } = await client.unary(Buffer.from("hello"), metadata);
        expect(reply.toString()).toBe("hello");
        expect(trailers.get("x-echo-bin")).toEqual([id]);
        expect((await client.unary(Buffer.alloc(0))).reply.length).toBe(0);
        const big = randomBytes(8 << 20);
        expect(digest((await client.unary(big)).reply)).toBe(digest(big));
      }),
  },
  {
    title: "a failure keeps its code and its message",
    run: (start) =>
      withEcho(start, async ({ client }) => {
        const metadata = new Metadata();
        metadata.set("x-fail", "9");
        const failed = client.unary(Buffer.from("x"), metadata);
        await expect(failed).rejects.toMatchObject({ code: 9, details: "as asked: ü" });
      }),
  },
  {
    title: "a client stream of 20 MB, a server stream of 20 MB and a duplex of 2,000 messages arrive whole",
    run: (start) =>
      withEcho(start, async ({ client }) => {
        expect(await client.clientStream(Array.from({ length: 200 }, () => randomBytes(100_000)))).toBe(20_000_000);
        expect(await client.serverStream(200, 100_000)).toEqual(Array(200).fill(100_000));
        const duplex = client.duplex();
        const sent = createHash("sha256");
        const received = createHash("sha256");
        for (let i = 0; i < 2000; i++) {
          const bytes = randomBytes(i % 700);
          sent.update(bytes);
          duplex.write(bytes);
        }
        duplex.end();
        for await (const bytes of duplex) received.update(bytes as Buffer);
        expect(received.digest("hex")).toBe(sent.digest("hex"));
      }),
  },
  {
    title: "1,000 calls at once on one connection are each answered with their own message",
    run: (start) =>
      withEcho(start, async ({ client, seen }) => {
        await client.unary(Buffer.from("first"));
        const replies = await Promise.all(
          Array.from({ length: 1000 }, (_, i) => client.unary(Buffer.from(`message ${i}`))),
        );
        expect(replies.map(({ reply }) => reply.toString())).toEqual(replies.map((_, i) => `message ${i}`));
        expect(seen.calls).toBe(1001);
      }),
  },
  {
    title: "a caller that gives up cancels the call at the backend",
    run: (start) =>
      withEcho(start, async ({ client, seen }) => {
        const call = client.sleeping();
        while (seen.calls === 0) await new Promise(setImmediate);
        call.cancel();
        expect(await call.ended).toBe(1);
        while (seen.cancelled === 0) await new Promise(setImmediate);
      }),
  },
];
