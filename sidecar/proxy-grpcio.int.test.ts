// gRPC's C core (Python's grpcio) through the proxy, on either side: another make of HTTP/2 and of gRPC than Node's.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, expect, test } from "vitest";
import { runToEnd } from "../e2e/testing/ferry.ts";
import { findPython } from "../e2e/testing/tools.ts";
import { startEchoServer } from "./http2/testing/echo-service.ts";
import { callCases } from "./testing/proxy-call-cases.ts";
import { startFerryProxy } from "./testing/proxy-under-test.ts";

const script = fileURLToPath(new URL("testing/grpcio-echo.py", import.meta.url));
const closers: (() => unknown)[] = [];
let python = "";

beforeAll(async () => {
  python = await findPython();
}, 120_000);
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The port of the echo service on grpcio. */
async function pythonServer(): Promise<number> {
  const child: ChildProcess = spawn(python, [script, "serve"], { stdio: ["pipe", "pipe", "inherit"] });
  closers.push(async () => {
    child.stdin!.end();
    await once(child, "exit");
  });
  const [line] = await once(createInterface({ input: child.stdout! }), "line");
  return Number(line);
}

/** Plays every case of the script through a proxy; gives those that did not hold. */
async function playPythonClient(backendPort: number): Promise<{ cases: string[]; problems: string[] }> {
  const proxy = await startFerryProxy(backendPort);
  closers.push(() => proxy.close());
  const { stdout, stderr, code } = await runToEnd(python, [script, "call", String(proxy.port)]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const lines = stdout.trim().split("\n");
  const results = lines.map((line) => JSON.parse(line) as { case: string; problem: string | null });
  return {
    cases: results.map((result) => result.case),
    problems: results.filter(({ problem }) => problem !== null).map((it) => `${it.case}: ${it.problem}`),
  };
}

test("a client on grpcio and a server on grpc-js: 16 cases of gRPC's interoperability tests", {
  timeout: 60_000,
}, async () => {
  const server = await startEchoServer();
  closers.push(() => server.close());
  const { cases, problems } = await playPythonClient(server.port);
  expect(problems).toEqual([]);
  expect(cases.length).toBe(16);
});

test("a client and a server on grpcio: the same cases", { timeout: 60_000 }, async () => {
  const { cases, problems } = await playPythonClient(await pythonServer());
  expect(problems).toEqual([]);
  expect(cases.length).toBe(16);
});

for (const { title, run } of callCases) {
  const needsOurServer = title.includes("1,000 calls") || title.includes("gives up");
  if (needsOurServer) continue;
  test(`a client on grpc-js and a server on grpcio: ${title}`, { timeout: 60_000 }, async () => {
    const port = await pythonServer();
    await run(() => startFerryProxy(port));
  });
}
