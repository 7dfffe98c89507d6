// The sidecar as a process: what it says, and how signals end it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";

const home = mkdtempSync(join(tmpdir(), "ferry-main-"));
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

function start(env: Readonly<Record<string, string>>, { detached = false } = {}) {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const settings = { FERRY_HOME: home, FERRY_MESH_CONFIG: home, FERRY_SERVICE: "quoter", FERRY_ROLE: "gateway" };
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env.PATH, ...settings, FERRY_OUTBOUND: "127.0.0.1:0", FERRY_DRAIN_PROPAGATION: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached,
  });
  children.push(child);
  const lines = (stream: NodeJS.ReadableStream) => createInterface({ input: stream })[Symbol.asyncIterator]();
  return { child, stdout: lines(child.stdout), stderr: lines(child.stderr) };
}

describe("a signal", () => {
  test("that comes with the ready line drains and ends with 0", async () => {
    const { child, stdout } = start({});
    expect(JSON.parse(String((await stdout.next()).value))).toMatchObject({ event: "ready", pid: child.pid });
    child.kill("SIGTERM");
    const ended = once(child, "close");
    expect(JSON.parse(String((await stdout.next()).value))).toEqual({ event: "drained", pid: child.pid });
    expect(await ended).toEqual([0, null]);
  }, 20_000);

  test("that comes while it waits for Consul ends it at once, with 0", async () => {
    const { child, stderr } = start({ FERRY_REGISTRY: "consul", CONSUL_HTTP_ADDR: "127.0.0.1:1" });
    expect((await stderr.next()).value).toContain("consul at 127.0.0.1:1: connection refused");
    const ended = once(child, "close");
    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
  }, 20_000);
});

describe("with workers", () => {
  test("a signal to the whole process group drains and ends with 0, and no worker is left", async () => {
    const { child, stdout } = start({ FERRY_WORKERS: "2" }, { detached: true });
    const ready = JSON.parse(String((await stdout.next()).value)) as { admin: string };
    const workers = await workersOf(ready.admin);
    expect(workers).toHaveLength(2);
    process.kill(-child.pid!, "SIGINT");
    const ended = once(child, "close");
    expect(JSON.parse(String((await stdout.next()).value))).toEqual({ event: "drained", pid: child.pid });
    expect(await ended).toEqual([0, null]);
    expect(workers.filter(isThere)).toEqual([]);
  }, 20_000);

  test("none outlives a sidecar that is killed", async () => {
    const { child, stdout } = start({ FERRY_WORKERS: "2" });
    const ready = JSON.parse(String((await stdout.next()).value)) as { admin: string };
    const workers = await workersOf(ready.admin);
    expect(workers.filter(isThere)).toHaveLength(2);
    child.kill("SIGKILL");
    await expect.poll(() => workers.filter(isThere), { timeout: 5_000 }).toEqual([]);
  }, 20_000);
});

/** The process ids of a sidecar's workers. */
async function workersOf(admin: string): Promise<number[]> {
  const config = (await (await fetch(`http://${admin}/config`)).json()) as { workers: { pid: number }[] };
  return config.workers.map(({ pid }) => pid);
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("a setting that nobody knows is one sentence and code 1", async () => {
  const { child, stderr } = start({ FERRY_OUTBUOND: "127.0.0.1:0" });
  const ended = once(child, "close");
  expect((await stderr.next()).value).toBe(
    'ferry-sidecar: FERRY_OUTBUOND="127.0.0.1:0": no such setting; did you mean FERRY_OUTBOUND?',
  );
  expect(await ended).toEqual([1, null]);
}, 20_000);
