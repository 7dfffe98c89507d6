// Clients of other makes through `ferry proxy`: unary, the three streaming kinds, 8 MB, 1,000 calls open at once,
// binary metadata, cancel and deadline; Python, Go and curl by TLS as well (those of Node: sidecar/proxy-tls.test.ts).
// Every payload is random and compared, octet by octet or by its SHA-256. Client
// libraries run in this process; Python and Go are programs in clients/ that print what they saw.

import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeAuthority, makeCertificate } from "../common/testing/make-certificate.ts";
import { connectCaller } from "./clients/connect-caller.ts";
import { type EchoBackend, encodeBytes, startEchoBackend } from "./clients/echo-backend.ts";
import type { EchoCaller } from "./clients/echo-caller.ts";
import { grpcJsCaller } from "./clients/grpc-js-caller.ts";
import { http2Caller } from "./clients/http2-caller.ts";
import { type PlainBackend, startPlainBackend } from "./clients/plain-backend.ts";
import { requireProgram } from "./clients/programs.ts";
import { eventually } from "./testing/eventually.ts";
import { type Running, root, runToEnd, startFerry } from "./testing/ferry.ts";
import { findGrpcurl, findPython } from "./testing/tools.ts";

const eightMb = 8 * 1024 * 1024;
const together = 1000;

let echo: EchoBackend;
let plain: PlainBackend;
/** In front of `echo`, and in front of `plain`. */
let echoPort: number;
let plainPort: number;
/** In front of `echo`, by TLS; and the authority that its clients trust. */
let tlsPort: number;
const authority = makeAuthority("authority of the clients");
const proxies: Running[] = [];
const folder = mkdtempSync(join(tmpdir(), "ferry-clients-"));

async function startProxy(upstreamPort: number, ...options: readonly string[]): Promise<number> {
  const upstream = `127.0.0.1:${upstreamPort}`;
  const proxy = startFerry(["proxy", "--listen", "127.0.0.1:0", "--upstream", upstream, "--json", ...options]);
  proxies.push(proxy);
  const { listen } = await proxy.event("ready", 30_000);
  return Number(listen.split(":")[1]);
}

beforeAll(async () => {
  [echo, plain] = await Promise.all([startEchoBackend(), startPlainBackend()]);
  const { cert, key } = makeCertificate({ commonName: "proxy", ips: ["127.0.0.1"] }, authority);
  const certFile = fileOf("cert.pem", Buffer.from(cert));
  const tls = ["--tls-cert", certFile, "--tls-key", fileOf("key.pem", Buffer.from(key))];
  [echoPort, plainPort, tlsPort] = await Promise.all([
    startProxy(echo.port),
    startProxy(plain.port),
    startProxy(echo.port, ...tls),
  ]);
});

afterAll(async () => {
  for (const proxy of proxies) proxy.signal("SIGTERM");
  const ends = await Promise.all(proxies.map((proxy) => proxy.exited));
  echo?.close();
  plain?.close();
  rmSync(folder, { recursive: true, force: true });
  expect(ends).toEqual(ends.map(() => ({ code: 0, signal: null })));
  for (const { stderr } of proxies) expect(stderr).not.toMatch(/"level":"error"/);
});

/** A file with these octets, for a program. */
function fileOf(name: string, octets: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, octets);
  return path;
}

function sha256(octets: Buffer): string {
  return createHash("sha256").update(octets).digest("hex");
}

const libraries: readonly [name: string, open: (port: number) => EchoCaller][] = [
  ["grpc-js", grpcJsCaller],
  ["connect-node", connectCaller],
  ["node:http2", http2Caller],
];

describe.each(libraries)("%s through the proxy", (_name, open) => {
  let caller: EchoCaller;
  beforeAll(() => {
    caller = open(echoPort);
  });
  afterAll(() => caller.close());

  test.each([0, 1, 1000, eightMb])("a unary call of %i octets comes back whole", async (size) => {
    const payload = randomBytes(size);
    const result = await caller.unary(payload);
    expect(result.code).toBe(0);
    expect(sha256(result.payload)).toBe(sha256(payload));
  });

  test("a client stream arrives whole and in order", async () => {
    const pieces = Array.from({ length: 40 }, (_, i) => randomBytes(1 + 997 * i));
    expect(await caller.clientStream(pieces)).toBe(sha256(Buffer.concat(pieces)));
  });

  test("a server stream arrives whole and in order", async () => {
    const replies = await caller.serverStream(30, 70_000);
    expect(replies.map(sha256)).toEqual(Array.from({ length: 30 }, (_, i) => sha256(Buffer.alloc(70_000, i))));
  });

  test("both sides of a stream take turns", async () => {
    const pieces = Array.from({ length: 40 }, (_, i) => randomBytes(1 + 997 * i));
    expect((await caller.pingPong(pieces)).map(sha256)).toEqual(pieces.map(sha256));
  });

  test("1,000 calls are open at once on one connection, and each gets its own reply", async () => {
    const payloads = Array.from({ length: together }, (_, i) => randomBytes(100 + (i % 500)));
    const results = await Promise.all(payloads.map((payload) => caller.unary(payload, { together })));
    expect(results.map(({ payload }) => sha256(payload))).toEqual(payloads.map(sha256));
  });

  test("metadata comes back byte for byte, in order, as header and as trailers", async () => {
    const binary = [Buffer.from(Array.from({ length: 256 }, (_, i) => i)), Buffer.of(0), randomBytes(100)];
    const ascii = ["first", "second", "~!@#$%^&*()"];
    const { header, trailers } = await caller.unary(Buffer.from("m"), { ascii, binary });
    for (const found of [header, trailers]) expect(found).toEqual({ ascii, binary });
  });

  test("a cancel reaches the server", async () => {
    const before = echo.sleeping.cancelled;
    const call = caller.sleep();
    await eventually("the call is at the server", 5000, async () => echo.sleeping.now > 0 || undefined);
    call.cancel();
    expect(await call.code).toBe(1);
    await serverKnows(before + 1);
  });

  test("a deadline ends the call at both ends", async () => {
    const before = echo.sleeping.cancelled;
    const beganMs = performance.now();
    expect(await caller.sleep(300).code).toBe(4);
    expect(performance.now() - beganMs).toBeGreaterThan(290);
    expect(performance.now() - beganMs).toBeLessThan(3000);
    await serverKnows(before + 1);
  });
});

async function serverKnows(cancels: number): Promise<void> {
  await eventually(`the server knows of ${cancels} cancels`, 5000, async () => {
    return echo.sleeping.cancelled >= cancels || undefined;
  });
}

/** What clients/python and clients/go print. */
const allRight = {
  ...{ unary: true, eightMb: true, clientStream: true, serverStream: true, duplex: true, metadata: true, together },
  deadlineMs: expect.any(Number),
};

/** What a program is told of the proxy: its port, the number of calls at once, and whom to trust. */
function argsFor(isTls: boolean): readonly string[] {
  if (!isTls) return [`${echoPort}`, `${together}`];
  return [`${tlsPort}`, `${together}`, fileOf("authority.pem", Buffer.from(authority.cert))];
}

const ways = [["in the clear", false] as const, ["by TLS", true] as const];

test.each(ways)("grpcio makes every kind of call through the proxy %s", { timeout: 120_000 }, async (_, isTls) => {
  const before = echo.sleeping.cancelled;
  const args = [`${root}/e2e/clients/python/echo_client.py`, ...argsFor(isTls)];
  const done = await runToEnd(await findPython(), args);
  expect(done.json, done.stderr).toEqual({ ...allRight, cancel: true, deadline: "DEADLINE_EXCEEDED" });
  await serverKnows(before + 2);
});

// Compiles grpc-go where that is not cached yet.
test.each(ways)("grpc-go makes every kind of call through the proxy %s", { timeout: 300_000 }, async (_, isTls) => {
  const before = echo.sleeping.cancelled;
  const program = requireProgram("go");
  const done = await runToEnd(program, ["run", ".", ...argsFor(isTls)], { cwd: `${root}/e2e/clients/go` });
  expect(done.json, done.stderr).toEqual({ ...allRight, cancel: "Canceled", deadline: "DeadlineExceeded" });
  await serverKnows(before + 2);
});

describe("grpcurl through the proxy", () => {
  const call = (method: string, options: readonly string[], input: string) => {
    const proto = ["-import-path", `${root}/e2e/clients`, "-proto", "echo.proto", "-max-msg-sz", "50000000"];
    const address = [`127.0.0.1:${echoPort}`, `e2e.echo.Echo/${method}`];
    return runToEnd(findGrpcurl(), ["-plaintext", ...proto, ...options, "-d", "@", ...address], { input });
  };
  const json = (octets: Buffer) => `${JSON.stringify(octets.toString("base64"))}\n`;
  const repliesOf = (stdout: string) =>
    [...stdout.matchAll(/"([A-Za-z0-9+/=]*)"/g)].map(([, text = ""]) => Buffer.from(text, "base64"));

  const sizes = [["Unary", 1] as const, ["Unary", eightMb] as const, ["Duplex", 1000] as const];
  test.each(sizes)("%s of %i octets", async (method, size) => {
    const payload = randomBytes(size);
    const done = await call(method, [], json(payload));
    expect(repliesOf(done.stdout).map(sha256), done.stderr).toEqual([sha256(payload)]);
  });

  test("streams of each kind", async () => {
    const pieces = Array.from({ length: 20 }, (_, i) => randomBytes(1 + 500 * i));
    const hash = await call("ClientStream", [], pieces.map(json).join(""));
    expect(repliesOf(hash.stdout).map(String), hash.stderr).toEqual([sha256(Buffer.concat(pieces))]);
    const replies = await call("ServerStream", [], json(Buffer.from("10,5000")));
    const expected = Array.from({ length: 10 }, (_, i) => Buffer.alloc(5000, i));
    expect(repliesOf(replies.stdout), replies.stderr).toEqual(expected);
    const echoed = await call("Duplex", [], pieces.map(json).join(""));
    expect(repliesOf(echoed.stdout), echoed.stderr).toEqual(pieces);
  });

  test("binary metadata comes back as header and as trailers", async () => {
    const text = Buffer.from([0, 1, 254, 255]).toString("base64");
    const done = await call("Unary", ["-v", "-H", `x-echo-bin: ${text}`, "-H", "x-echo: a"], json(Buffer.from("m")));
    // Once as it is sent, twice as it comes back.
    expect(done.stdout.split(`x-echo-bin: ${text}\n`), done.stdout + done.stderr).toHaveLength(4);
  });

  test("its deadline ends the call at both ends", async () => {
    const before = echo.sleeping.cancelled;
    const done = await call("Sleep", ["-max-time", "0.3"], json(Buffer.from("z")));
    expect(done.stderr).toContain("DeadlineExceeded");
    await serverKnows(before + 1);
  });
});

describe("curl through the proxy", () => {
  const curl = (args: readonly string[]) =>
    runToEnd(requireProgram("curl"), ["--silent", "--show-error", "--http2-prior-knowledge", ...args]);
  const url = (path: string) => `http://127.0.0.1:${plainPort}${path}`;

  test("a body of 8 MB comes back whole over HTTP/2, with its trailers and binary header", async () => {
    const payload = randomBytes(eightMb);
    const [body, back, head] = [fileOf("curl-body", payload), join(folder, "curl-back"), join(folder, "curl-head")];
    const text = randomBytes(50).toString("base64");
    const told = ["--write-out", "%{http_version} %{http_code}", "--header", `x-echo-bin: ${text}`];
    const files = ["--data-binary", `@${body}`, "--output", back, "--dump-header", head];
    const done = await curl([...told, ...files, url("/echo")]);
    expect(done.stdout, done.stderr).toBe("2 200");
    expect(sha256(readFileSync(back))).toBe(sha256(payload));
    const fields = readFileSync(head, "latin1");
    expect(fields).toContain(`x-echo-bin: ${text}`);
    expect(fields).toContain("x-ended: well");
  });

  // A process each: curl 7.88 with prior knowledge breaks its own connection at the second transfer, with any server.
  test("20 curls at once", async () => {
    const done = await Promise.all(Array.from({ length: 20 }, () => curl([url("/hello")])));
    expect(done.map(({ stdout, stderr }) => stdout + stderr)).toEqual(done.map(() => "hello"));
  });

  test("a gRPC call by hand comes back with its status", async () => {
    const message = encodeBytes(randomBytes(1000));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    const [body, back] = [fileOf("curl-grpc", Buffer.concat([head, message])), join(folder, "curl-grpc-back")];
    const fields = ["--header", "content-type: application/grpc", "--header", "te: trailers", "--dump-header", "-"];
    const target = `http://127.0.0.1:${echoPort}/e2e.echo.Echo/Unary`;
    const done = await curl([...fields, "--data-binary", `@${body}`, "--output", back, target]);
    expect(done.stdout, done.stderr).toContain("grpc-status: 0");
    expect(sha256(readFileSync(back))).toBe(sha256(readFileSync(body)));
  });

  test("by TLS it agrees on HTTP/2, and trusts the certificate for its authority's sake alone", async () => {
    const ask = (...trust: readonly string[]) =>
      runToEnd(requireProgram("curl"), [
        ...["--silent", "--show-error", "--http2", "--output", "/dev/null", "--write-out", "%{http_version}", ...trust],
        `https://127.0.0.1:${tlsPort}/e2e.echo.Echo/Unary`,
      ]);
    const done = await ask("--cacert", fileOf("authority.pem", Buffer.from(authority.cert)));
    expect(done.stdout, done.stderr).toBe("2");
    // 60: the certificate cannot be verified.
    expect((await ask()).code).toBe(60);
  });

  test("giving up reaches the server", async () => {
    const before = plain.hung.aborted;
    const done = await curl(["--max-time", "0.5", url("/hang")]);
    // 28: the time limit was reached.
    expect(done.code).toBe(28);
    await eventually("the server knows", 5000, async () => plain.hung.aborted > before || undefined);
  });
});

describe("nghttp and h2load through the proxy", () => {
  test("nghttp gets back the 8 MB that it sends", async () => {
    const payload = Buffer.from(randomBytes(eightMb / 2).toString("hex"));
    const args = ["-d", fileOf("nghttp", payload), `http://127.0.0.1:${plainPort}/echo`];
    const back = await runToEnd(requireProgram("nghttp"), args);
    expect(sha256(Buffer.from(back.stdout)), back.stderr).toBe(sha256(payload));
  });

  test("nghttp opens 1,000 streams on one connection", async () => {
    const done = await runToEnd(requireProgram("nghttp"), ["-m", "1000", `http://127.0.0.1:${plainPort}/hello`]);
    expect(done.stdout, done.stderr).toBe("hello".repeat(1000));
  });

  const loads: readonly [what: string, args: readonly string[], count: number][] = [
    ["20,000 requests on 4 connections", ["-n", "20000", "-c", "4", "-m", "100"], 20_000],
    ["5,000 requests, 1,000 at once on one connection", ["-n", "5000", "-c", "1", "-m", "1000"], 5000],
    ["windows of 16 KiB", ["-n", "2000", "-c", "2", "-m", "50", "-w", "14", "-W", "14"], 2000],
  ];
  test.each(loads)("h2load: %s, none fails", async (_what, args, count) => {
    const done = await runToEnd(requireProgram("h2load"), [...args, `http://127.0.0.1:${plainPort}/hello`]);
    expect(done.stdout, done.stderr).toContain(`${count} succeeded, 0 failed, 0 errored, 0 timeout`);
    expect(done.stdout).toContain(`status codes: ${count} 2xx`);
    expect(done.stdout).toContain(`(${count * "hello".length}) data`);
  });

  test("h2load: bodies both ways, none fails", async () => {
    const body = fileOf("h2load", randomBytes(20_000));
    const args = ["-n", "1000", "-c", "2", "-m", "20", "-d", body, `http://127.0.0.1:${plainPort}/echo`];
    const done = await runToEnd(requireProgram("h2load"), args);
    expect(done.stdout, done.stderr).toContain("1000 succeeded, 0 failed, 0 errored, 0 timeout");
    expect(done.stdout).toContain("(20000000) data");
  });
});
