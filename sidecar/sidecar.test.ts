// Whole sidecars in one process, over real sockets: a gateway, instances with their sidecars, grpc-js on both ends.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { jsonLog } from "../common/json-log.ts";
import { EchoClient, type EchoServer, startEchoServer } from "./http2/testing/echo-service.ts";
import { readSidecarSettings } from "./settings.ts";
import { type Sidecar, startSidecar } from "./sidecar.ts";

const silent = jsonLog("test", "error", () => {});
const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), "ferry-sidecar-"));
  ends.push(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

async function start(home: string, env: Record<string, string>): Promise<Sidecar> {
  const result = readSidecarSettings({
    FERRY_HOME: home,
    FERRY_MESH_CONFIG: join(home, "mesh-config"),
    FERRY_GRPC_SERVICES: "ferry.test.Echo",
    FERRY_HEALTH_INTERVAL: "50ms",
    FERRY_DRAIN_PROPAGATION: "300ms",
    ...env,
  });
  if ("problems" in result) throw new Error(JSON.stringify(result.problems));
  const sidecar = await startSidecar({ settings: result.settings, env: {}, pid: process.pid, log: silent });
  ends.push(() => sidecar.close());
  return sidecar;
}

async function startInstance(home: string, id: string): Promise<{ sidecar: Sidecar; app: EchoServer }> {
  const app = await startEchoServer();
  ends.push(() => app.close());
  const sidecar = await start(home, {
    FERRY_SERVICE: "echo",
    FERRY_INSTANCE: id,
    FERRY_APP: `127.0.0.1:${app.port}`,
  });
  return { sidecar, app };
}

async function startGateway(home: string): Promise<EchoClient> {
  const gateway = await start(home, { FERRY_ROLE: "gateway", FERRY_SERVICE: "edge", FERRY_OUTBOUND: "127.0.0.1:0" });
  const client = new EchoClient(Number(gateway.addresses.outbound.split(":")[1]));
  ends.push(() => client.close());
  return client;
}

async function untilAnswered(client: EchoClient, apps: readonly EchoServer[]): Promise<void> {
  await expect
    .poll(
      async () => {
        await client.unary(Buffer.from("?")).catch(() => {});
        return apps.every((app) => app.seen.calls > 0);
      },
      { timeout: 8_000, interval: 20 },
    )
    .toBe(true);
}

test("all four kinds of call pass a gateway and a sidecar, both ways and whole", async () => {
  const home = newHome();
  const client = await startGateway(home);
  const { app } = await startInstance(home, "echo-1");
  await untilAnswered(client, [app]);
  expect((await client.unary(Buffer.alloc(300_000, 7))).reply.equals(Buffer.alloc(300_000, 7))).toBe(true);
  expect(await client.clientStream(Array.from({ length: 50 }, () => Buffer.alloc(10_000)))).toBe(500_000);
  expect(await client.serverStream(200, 5_000)).toEqual(Array.from({ length: 200 }, () => 5_000));
});

test("an instance that drains under load costs no call, and gets none afterwards", async () => {
  const home = newHome();
  const client = await startGateway(home);
  const first = await startInstance(home, "echo-1");
  const second = await startInstance(home, "echo-2");
  await untilAnswered(client, [first.app, second.app]);

  let isOver = false;
  let calls = 0;
  const failures: unknown[] = [];
  const callers = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      calls++;
      await client.unary(Buffer.from("steady")).catch((error: unknown) => failures.push(error));
    }
  });
  let isDrained = false;
  await first.sidecar.drain(() => {
    isDrained = true;
  });
  const seenAtDrain = first.app.seen.calls;
  const callsAtDrain = calls;
  await expect.poll(() => calls - callsAtDrain, { timeout: 5_000 }).toBeGreaterThan(100);
  isOver = true;
  await Promise.all(callers);
  expect(failures).toEqual([]);
  expect(isDrained).toBe(true);
  expect(first.app.seen.calls).toBe(seenAtDrain);
});

test("a call that outlives the drain ends with a status that says so", async () => {
  const home = newHome();
  const app = await startEchoServer();
  ends.push(() => app.close());
  const sidecar = await start(home, {
    FERRY_SERVICE: "echo",
    FERRY_APP: `127.0.0.1:${app.port}`,
    FERRY_DRAIN_GRACE: "50ms",
  });
  const client = new EchoClient(Number(sidecar.addresses.inbound!.split(":")[1]));
  ends.push(() => client.close());
  const metadata = new Metadata();
  metadata.set("x-sleep", "1");
  const call = client.unary(Buffer.from("slow"), metadata).catch((error: ServiceError) => error);
  await expect.poll(() => app.seen.calls).toBe(1);
  await sidecar.drain(() => {});
  expect(await call).toMatchObject({ code: 14, details: expect.stringContaining("shut down") });
});
