// grpc-js by TLS through two proxies: TLS in and TLS out at the first, TLS in and plaintext out at the second.

import { once } from "node:events";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonLog } from "../common/json-log.ts";
import { type EchoServer, echoMethods, startEchoServer } from "./http2/testing/echo-service.ts";
import { type ProxyParams, type RunningProxy, startProxy } from "./proxy.ts";
import { authority, clientMaterial, serverMaterial, tlsClient } from "./transport/testing/tls-fixture.ts";
import type { TlsMaterial } from "./transport/tls-material.ts";

const loopback = { host: "127.0.0.1", port: 0 };
const bytes = (value: Buffer) => value;
const log: Record<string, unknown>[] = [];

let folder: string;
let backend: EchoServer;
let inner: RunningProxy;
let outer: RunningProxy;
const closers: (() => unknown)[] = [];

const file = (name: string) => join(folder, name);
const portOf = (proxy: RunningProxy) => Number(proxy.listen.split(":")[1]);

/** As a careful renewal does it: each file whole, one after the other. */
async function writePair(name: string, { cert, key }: TlsMaterial): Promise<void> {
  for (const [path, text] of [
    [file(`${name}.crt`), cert],
    [file(`${name}.key`), key],
  ] as const) {
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
}

async function start(params: Omit<ProxyParams, "listen" | "log">): Promise<RunningProxy> {
  const write = (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>);
  const proxy = await startProxy({ listen: loopback, log: jsonLog("proxy", "info", write), ...params });
  closers.push(() => {
    proxy.hurry();
    return proxy.drain(0);
  });
  return proxy;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ferry-proxy-tls-"));
  await writeFile(file("ca.crt"), authority.cert);
  await writePair("inner", serverMaterial("inner"));
  await writePair("outer", serverMaterial("outer"));
  backend = await startEchoServer();
  const pair = (name: string) => ({ certFile: file(`${name}.crt`), keyFile: file(`${name}.key`) });
  inner = await start({ upstream: { host: "127.0.0.1", port: backend.port }, tls: pair("inner") });
  outer = await start({
    upstream: { host: "127.0.0.1", port: portOf(inner) },
    tls: pair("outer"),
    upstreamTls: { caFile: file("ca.crt"), serverName: "localhost" },
  });
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
  backend.close();
  await rm(folder, { recursive: true });
});

/** A channel with connections of its own. */
function open(port: number, material?: TlsMaterial): Client {
  const key = material && Buffer.from(material.key);
  const cert = material && Buffer.from(material.cert);
  const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(authority.cert), key, cert), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": -1,
  });
  closers.push(() => client.close());
  return client;
}

function unary(client: Client, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(echoMethods.unary.path, bytes, bytes, request, (error: ServiceError | null, reply) => {
      if (error === null) resolve(reply ?? Buffer.alloc(0));
      else reject(error);
    });
  });
}

/** Echoes `count` messages, each sent when the one before it has come back. */
async function pingPong(client: Client, count: number): Promise<number> {
  const call = client.makeBidiStreamRequest(echoMethods.duplex.path, bytes, bytes);
  let answers = 0;
  for (let i = 0; i < count; i++) {
    const answer = once(call, "data") as Promise<[Buffer]>;
    call.write(Buffer.from(`message ${i}`));
    if ((await answer)[0].toString() === `message ${i}`) answers++;
  }
  call.end();
  call.resume();
  await once(call, "end");
  return answers;
}

async function commonNameAt(port: number): Promise<string> {
  const socket = tlsClient(port);
  await once(socket, "secureConnect");
  const name = socket.getPeerCertificate().subject.CN;
  socket.destroy();
  return String(name);
}

test("unary and streaming calls of grpc-js pass through TLS on both sides", async () => {
  const client = open(portOf(outer));
  expect((await unary(client, Buffer.from("hello"))).toString()).toBe("hello");
  const big = Buffer.alloc(8 << 20, "0123456789abcdef");
  expect((await unary(client, big)).equals(big)).toBe(true);
  expect(await pingPong(client, 20)).toBe(20);
  const counted = new Promise<string>((resolve, reject) => {
    const call = client.makeClientStreamRequest(echoMethods.clientStream.path, bytes, bytes, (error, reply) =>
      error === null ? resolve(String(reply)) : reject(error),
    );
    for (let i = 0; i < 100; i++) call.write(Buffer.alloc(10_000));
    call.end();
  });
  expect(await counted).toBe("1000000");
  const call = client.makeServerStreamRequest(echoMethods.serverStream.path, bytes, bytes, Buffer.from("500,1000"));
  let received = 0;
  call.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  await once(call, "end");
  expect(received).toBe(500_000);
});

// Over 200 ms: the renewal itself waits for the kernel's notice and for the pair's other half.
test("a renewal while calls run fails none of them; new connections see the new certificate", async () => {
  const clients = [open(portOf(outer)), open(portOf(outer))];
  const failures: unknown[] = [];
  let calls = 0;
  let isOver = false;
  const load = clients.flatMap((client) =>
    Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const request = Buffer.from(`call ${calls}`);
        const reply = await unary(client, request).catch((error: unknown) => void failures.push(error));
        if (reply?.equals(request) === false) failures.push(reply);
        calls++;
      }
    }),
  );
  const stream = clients[0]!.makeBidiStreamRequest(echoMethods.duplex.path, bytes, bytes);
  stream.write(Buffer.from("before"));
  await once(stream, "data");
  expect(await commonNameAt(portOf(outer))).toBe("outer");

  const reloads = () => log.filter(({ message }) => message === "TLS files changed and are in force").length;
  for (const [name, port] of [
    ["outer", portOf(outer)],
    ["inner", portOf(inner)],
  ] as const) {
    const before = reloads();
    await writePair(name, serverMaterial(`${name} renewed`));
    await expect.poll(reloads, { timeout: 5000 }).toBe(before + 1);
    expect(await commonNameAt(port)).toBe(`${name} renewed`);
    const atReload = calls;
    await expect.poll(() => calls, { timeout: 5000 }).toBeGreaterThan(atReload + 50);
    expect((await unary(open(port), Buffer.from("new"))).toString()).toBe("new");
  }
  stream.write(Buffer.from("after"));
  expect(String((await once(stream, "data"))[0])).toBe("after");
  stream.end();
  isOver = true;
  await Promise.all(load);
  expect(failures).toEqual([]);
  expect(log.filter(({ message }) => message === "connection closed by us")).toEqual([]);
});

test("with client authorities, calls pass for who has a certificate of theirs and for nobody else", async () => {
  const demanding = await start({
    upstream: { host: "127.0.0.1", port: backend.port },
    tls: { certFile: file("outer.crt"), keyFile: file("outer.key"), clientCaFile: file("ca.crt") },
  });
  const known = open(portOf(demanding), clientMaterial("known"));
  expect((await unary(known, Buffer.from("hello"))).toString()).toBe("hello");
  await expect(unary(open(portOf(demanding)), Buffer.from("hello"))).rejects.toMatchObject({ code: 14 });
  expect(log.at(-1)).toMatchObject({ message: "connection closed by us", reason: "tls_client_certificate" });
});

test("an upstream with a certificate of another authority is a failure that says so", async () => {
  await writeFile(file("strange.crt"), serverMaterial("strange").cert);
  const wary = await start({
    upstream: { host: "127.0.0.1", port: portOf(inner) },
    upstreamTls: { caFile: file("strange.crt") },
  });
  const client = new Client(wary.listen, credentials.createInsecure());
  closers.push(() => client.close());
  await expect(unary(client, Buffer.from("hello"))).rejects.toMatchObject({
    code: 14,
    details: expect.stringMatching(/its certificate is from an authority that is not trusted here/),
  });
});

test("wrong files at the start are named in one sentence", async () => {
  const tls = { certFile: file("none.crt"), keyFile: file("outer.key") };
  await expect(start({ upstream: loopback, tls })).rejects.toMatchObject({
    name: "TlsFileError",
    message: `certificate ${file("none.crt")} cannot be read: no such file`,
  });
});
