import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { freePort, whyTaken } from "./free-port.ts";
import { lockHome, readInstanceProcesses, readStack, writeInstanceProcesses, writeStack } from "./home.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "ferry-home-"));
});
afterEach(() => rmSync(home, { recursive: true }));

test("a home has one holder at a time", () => {
  const first = lockHome(home);
  expect(() => lockHome(home)).toThrow(/^another `ferry up` runs in .*--home$/);
  first.release();
  lockHome(home).release();
});

test("a home that cannot be written is told", () => {
  const file = join(home, "a-file");
  writeFileSync(file, "");
  expect(() => lockHome(join(file, "home"))).toThrow(/^cannot use .*a-file\/home as FERRY_HOME: ENOTDIR/);
});

test("a stack and its processes are known while their supervisor runs", () => {
  expect(readStack(home)).toBeUndefined();
  writeStack(home, {
    gateway: "127.0.0.1:1",
    admin: "127.0.0.1:2",
    startedAt: "",
    consul: null,
    meshConfig: "",
    processes: [],
  });
  expect(readStack(home)).toMatchObject({ pid: process.pid, gateway: "127.0.0.1:1" });
  writeInstanceProcesses(home, { id: "a-1", service: "a", appPid: 10, sidecarPid: 11 });
  expect([...readInstanceProcesses(home).keys()]).toEqual(["a-1"]);
});

test("a port is free when nobody listens there, and lies below the kernel's own range", async () => {
  const port = await freePort("127.0.0.1", seededRandom(1));
  expect(port).toBeGreaterThanOrEqual(10_000);
  expect(await whyTaken("127.0.0.1", port)).toBeUndefined();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  expect(await whyTaken("127.0.0.1", port)).toBe("EADDRINUSE");
  server.close();
});
