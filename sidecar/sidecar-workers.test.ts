// Whole sidecars whose calls are carried by two workers each: that their callers, their registry and their operator see
// one. Each starts worker processes.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { jsonLog } from "../common/json-log.ts";
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from "../gen/grpc/health/v1/health_pb.ts";
import { EchoClient, type EchoServer, startEchoServer } from "./http2/testing/echo-service.ts";
import { readSidecarSettings } from "./settings.ts";
import { type Sidecar, startSidecar } from "./sidecar.ts";

const bytes = (value: Buffer) => value;
const silent = jsonLog("test", "error", () => {});
const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), "ferry-workers-"));
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
    FERRY_WORKERS: "2",
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
  const own = { FERRY_SERVICE: "echo", FERRY_INSTANCE: id, FERRY_APP: `127.0.0.1:${app.port}` };
  return { sidecar: await start(home, own), app };
}

async function startGateway(home: string): Promise<{ gateway: Sidecar; clients: EchoClient[] }> {
  const own = { FERRY_ROLE: "gateway", FERRY_SERVICE: "edge", FERRY_OUTBOUND: "127.0.0.1:0" };
  const gateway = await start(home, own);
  const clients = Array.from({ length: 4 }, () => new EchoClient(Number(gateway.addresses.outbound.split(":")[1])));
  ends.push(() => {
    for (const client of clients) client.close();
  });
  return { gateway, clients };
}

const ping = (client: EchoClient) => client.unary(Buffer.from("?"));

/** Until each client, and so each worker, has had an answer, and each application a call. */
async function untilAnswered(clients: readonly EchoClient[], apps: readonly EchoServer[]): Promise<void> {
  const isAnswered = async () => {
    const results = await Promise.allSettled(clients.map(ping));
    return results.every(({ status }) => status === "fulfilled") && apps.every((app) => app.seen.calls > 0);
  };
  await expect.poll(isAnswered, { timeout: 8_000, interval: 20 }).toBe(true);
}

interface Config {
  readonly status: { readonly state: string };
  readonly workers: readonly { readonly pid: number; readonly connections: number }[];
}

async function configOf({ addresses }: Sidecar): Promise<Config> {
  return (await fetch(`http://${addresses.admin}/config`)).json() as Promise<Config>;
}

test("an instance with workers that drains under load costs no call, behind a gateway with workers", async () => {
  const home = newHome();
  const { gateway, clients } = await startGateway(home);
  const first = await startInstance(home, "echo-1");
  const second = await startInstance(home, "echo-2");
  await untilAnswered(clients, [first.app, second.app]);
  const { status, workers } = await configOf(gateway);
  expect(status.state).toBe("ready");
  expect(workers.map(({ connections }) => connections)).toEqual([2, 2]);
  expect((await configOf(first.sidecar)).workers).toHaveLength(2);

  let isOver = false;
  let calls = 0;
  const failures: unknown[] = [];
  const callers = clients.map(async (client) => {
    while (!isOver) {
      calls++;
      await ping(client).catch((error: unknown) => failures.push(error));
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
}, 30_000);

/** What the mesh configuration says of `echo`. */
function configure(home: string, Meta: Record<string, string>): void {
  const folder = join(home, "mesh-config", "service-defaults");
  mkdirSync(folder, { recursive: true });
  const entry = { Kind: "service-defaults", Name: "echo", Protocol: "grpc", Meta };
  writeFileSync(join(folder, "echo.json"), JSON.stringify(entry));
}

test("an edit of the mesh configuration acts in every worker", async () => {
  const home = newHome();
  configure(home, {});
  const { clients } = await startGateway(home);
  const { app } = await startInstance(home, "echo-1");
  await untilAnswered(clients, [app]);
  const codes = async () => {
    const results = await Promise.allSettled(clients.map(ping));
    return results.map((result) => (result.status === "rejected" ? (result.reason as ServiceError).code : 0));
  };
  configure(home, { ferry_fault_abort: "ABORTED" });
  await expect.poll(codes, { timeout: 8_000, interval: 20 }).toEqual([10, 10, 10, 10]);
  configure(home, {});
  await expect.poll(codes, { timeout: 8_000, interval: 20 }).toEqual([0, 0, 0, 0]);
}, 30_000);

/** One unary call on a connection of its own. */
async function callOnce(address: string, path: string, { request, authority }: { request: Buffer; authority: string }) {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.default_authority": authority,
  });
  ends.push(() => client.close());
  return new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(path, bytes, bytes, request, (error: ServiceError | null, reply?: Buffer) =>
      error === null && reply !== undefined ? resolve(reply) : reject(error),
    );
  });
}

test("every worker of a gateway answers health, and of a sidecar calls an upstream that nobody declared", async () => {
  const home = newHome();
  const { gateway, clients } = await startGateway(home);
  const { app, sidecar } = await startInstance(home, "echo-1");
  await untilAnswered(clients, [app]);
  const service = toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service: "ferry.test.Echo" }));
  // Connections in a row go to the workers in turn.
  for (let i = 0; i < 2; i++) {
    const asked = { request: Buffer.from(service), authority: "edge" };
    const reply = await callOnce(gateway.addresses.outbound, "/grpc.health.v1.Health/Check", asked);
    expect(fromBinary(HealthCheckResponseSchema, reply).status).toBe(HealthCheckResponse_ServingStatus.SERVING);
    const echoed = { request: Buffer.from("undeclared"), authority: "echo" };
    expect((await callOnce(sidecar.addresses.outbound, "/ferry.test.Echo/Unary", echoed)).toString()).toBe(
      "undeclared",
    );
  }
}, 30_000);
