// `ferry proxy` as a process: its options of TLS, what it prints, and how it ends.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeAuthority, makeCertificate } from "../common/testing/make-certificate.ts";
import { type ProxyTlsOptions, readProxyTls } from "./proxy.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
const authority = makeAuthority("authority of the tests");
let folder: string;
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ferry-cli-proxy-"));
  const { cert, key } = makeCertificate({ commonName: "edge", ips: ["127.0.0.1"] }, authority);
  await writeFile(file("tls.crt"), cert);
  await writeFile(file("tls.key"), key, { mode: 0o600 });
  await writeFile(file("other.key"), makeCertificate({ commonName: "other" }).key, { mode: 0o600 });
  await writeFile(file("ca.crt"), authority.cert);
});

afterAll(() => rm(folder, { recursive: true }));

function proxy(...args: string[]): ChildProcess {
  const given = ["proxy", "--upstream", "127.0.0.1:1", "--json", ...args];
  return spawn(process.execPath, [main, ...given], { stdio: ["ignore", "pipe", "pipe"] });
}

/** The exit code and stderr of a proxy that is not to start. */
async function refused(...args: string[]): Promise<[number, string]> {
  const child = proxy(...args);
  let text = "";
  child.stderr!.on("data", (chunk) => {
    text += chunk;
  });
  const [code] = (await once(child, "close")) as [number];
  return [code, text.trim().replaceAll(`${folder}/`, "")];
}

// Each starts a process.
test("it listens by TLS, says so in its ready line, and ends by SIGTERM", async () => {
  const tls = ["--tls-cert", file("tls.crt"), "--tls-key", file("tls.key"), "--tls-client-ca", file("ca.crt")];
  const child = proxy(...tls, "--upstream-tls", "--upstream-ca", file("ca.crt"), "--upstream-server-name", "app.test");
  const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  const ready = JSON.parse(line) as { listen: string };
  expect(ready).toMatchObject({ event: "ready", listen: expect.stringMatching(/^127\.0\.0\.1:\d+$/), tls: true });
  const socket = connect({
    host: "127.0.0.1",
    port: Number(ready.listen.split(":")[1]),
    ca: authority.cert,
    ...makeCertificate({ commonName: "caller" }, authority),
    ALPNProtocols: ["h2"],
  });
  await once(socket, "secureConnect");
  expect([socket.alpnProtocol, socket.getPeerCertificate().subject.CN]).toEqual(["h2", "edge"]);
  socket.destroy();
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

const bytes = (value: Buffer) => value;
const echoPath = "/test.Echo/Unary";

/** A grpc-js server that answers with the request. */
async function startEcho(): Promise<{ server: Server; port: number }> {
  const server = new Server();
  const formOf = { requestSerialize: bytes, requestDeserialize: bytes };
  const form = { ...formOf, responseSerialize: bytes, responseDeserialize: bytes };
  const method = { path: echoPath, requestStream: false, responseStream: false, ...form };
  const answer = (call: { request: Buffer }, done: (error: null, reply: Buffer) => void) => done(null, call.request);
  server.addService({ unary: method }, { unary: answer });
  const port = await promisify(server.bindAsync.bind(server))("127.0.0.1:0", ServerCredentials.createInsecure());
  return { server, port };
}

test("with two workers it carries the calls of grpc-js clients, shows one proxy, and ends by SIGTERM", async () => {
  const { server, port } = await startEcho();
  const child = proxy("--upstream", `127.0.0.1:${port}`, "--workers", "2");
  const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  const ready = JSON.parse(line) as { listen: string; admin: string };
  const own = { "grpc.use_local_subchannel_pool": 1 };
  const clients = Array.from({ length: 4 }, () => new Client(ready.listen, credentials.createInsecure(), own));
  for (const client of clients) {
    const reply = await new Promise<unknown>((resolve) => {
      client.makeUnaryRequest(echoPath, bytes, bytes, Buffer.from("hello"), (error, value) => resolve(error ?? value));
    });
    expect(String(reply)).toBe("hello");
  }
  const config = (await (await fetch(`http://${ready.admin}/config`)).json()) as { workers: { connections: number }[] };
  expect(config.workers.map(({ connections }) => connections)).toEqual([2, 2]);
  const metrics = await (await fetch(`http://${ready.admin}/metrics`)).text();
  expect(metrics).toMatch(/^ferry_calls_total\{.*\} 4$/m);
  for (const client of clients) client.close();
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
  server.forceShutdown();
}, 20_000);

test("a number of workers that cannot be is a wrong call, and ends it with 2", async () => {
  const [code, text] = await refused("--workers", "0");
  expect([code, text]).toEqual([2, expect.stringContaining("--workers 0: expected a whole number from 1 to 64")]);
});

test("files that are wrong end it with one sentence and 1", async () => {
  expect(await refused("--tls-cert", file("tls.crt"), "--tls-key", file("other.key"))).toEqual([
    1,
    "ferry: key other.key does not fit certificate tls.crt",
  ]);
  expect(await refused("--upstream-tls", "--upstream-ca", file("none.crt"))).toEqual([
    1,
    "ferry: authority none.crt cannot be read: no such file",
  ]);
});

test("options that lack their other half are a wrong call, and end it with 2", async () => {
  const half: [ProxyTlsOptions, string][] = [
    [{ tlsCert: "a.crt" }, "--tls-cert: expected --tls-key with it"],
    [{ tlsKey: "a.key" }, "--tls-key: expected --tls-cert with it"],
    [{ tlsClientCa: "ca.crt" }, "--tls-client-ca: expected --tls-cert and --tls-key with it"],
    [{ upstreamCa: "ca.crt" }, "--upstream-ca: expected --upstream-tls with it"],
    [{ upstreamServerName: "a" }, "--upstream-server-name: expected --upstream-tls with it"],
  ];
  for (const [options, sentence] of half) expect(() => readProxyTls(options)).toThrow(sentence);
  expect(await refused("--tls-cert", "a.crt")).toEqual([2, expect.stringContaining("expected --tls-key with it")]);
});

test("limits that are wrong are a wrong call, and end it with 2", async () => {
  const [code, text] = await refused("--limits", "idelMs=1");
  expect([code, text]).toEqual([2, expect.stringContaining("no limit is named idelMs; did you mean idleMs?")]);
  expect(await refused("--limits", "idleMs=1m")).toEqual([
    2,
    expect.stringContaining('--limits "idleMs=1m": expected idleMs to be a whole number from 0 to 2147483647'),
  ]);
});

test("without its options nothing is TLS", () => {
  expect(readProxyTls({})).toEqual({});
  expect(readProxyTls({ upstreamTls: true })).toEqual({ upstreamTls: {} });
});
