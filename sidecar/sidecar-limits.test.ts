// Limits from settings files to the wire: a gateway, a sidecar, an application that shows what it was sent, over real
// sockets.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Metadata, Server, ServerCredentials, type ServiceError } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { jsonLog } from "../common/json-log.ts";
import { EchoClient, echoMethods } from "./http2/testing/echo-service.ts";
import { readSidecarSettings } from "./settings.ts";
import { type Sidecar, startSidecar } from "./sidecar.ts";

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A mesh whose service `echo` has these settings. */
function newHome(settings: Record<string, string>): string {
  const home = mkdtempSync(join(tmpdir(), "ferry-limits-"));
  ends.push(() => rmSync(home, { recursive: true, force: true }));
  write(home, settings);
  return home;
}

function write(home: string, Meta: Record<string, string>): void {
  const folder = join(home, "mesh-config", "service-defaults");
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "echo.json"),
    JSON.stringify({ Kind: "service-defaults", Name: "echo", Protocol: "grpc", Meta }),
  );
}

async function start(home: string, env: Record<string, string>): Promise<Sidecar> {
  const result = readSidecarSettings({
    FERRY_HOME: home,
    FERRY_MESH_CONFIG: join(home, "mesh-config"),
    FERRY_GRPC_SERVICES: "ferry.test.Echo",
    FERRY_HEALTH_INTERVAL: "50ms",
    ...env,
  });
  if ("problems" in result) throw new Error(JSON.stringify(result.problems));
  const log = jsonLog("test", "error", () => {});
  const sidecar = await startSidecar({ settings: result.settings, env: {}, pid: process.pid, log });
  ends.push(() => sidecar.close());
  return sidecar;
}

/** `echo` with its sidecar, and the header of every call that reached it. */
async function startEcho(home: string): Promise<Metadata[]> {
  const seen: Metadata[] = [];
  const server = new Server();
  server.addService(
    { unary: echoMethods.unary },
    {
      unary: (call: { metadata: Metadata }, done: (error: null, reply: Buffer) => void) => {
        seen.push(call.metadata);
        done(null, Buffer.from("fine"));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  ends.push(() => server.forceShutdown());
  await start(home, { FERRY_SERVICE: "echo", FERRY_APP: `127.0.0.1:${port}` });
  return seen;
}

function clientOf(sidecar: Sidecar): EchoClient {
  const client = new EchoClient(Number(sidecar.addresses.outbound.split(":")[1]));
  ends.push(() => client.close());
  return client;
}

function startGateway(home: string, env: Record<string, string> = {}): Promise<Sidecar> {
  return start(home, { FERRY_ROLE: "gateway", FERRY_SERVICE: "edge", FERRY_OUTBOUND: "127.0.0.1:0", ...env });
}

async function untilAnswered(client: EchoClient, seen: readonly Metadata[]): Promise<void> {
  const ask = async () => {
    await client.unary(Buffer.from("?")).catch(() => {});
    return seen.length;
  };
  await expect.poll(ask, { timeout: 8_000, interval: 20 }).toBeGreaterThan(0);
}

function stating(fields: Record<string, string>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
  return metadata;
}

test("a gateway takes no x-ferry-* from the world, and says itself who calls", async () => {
  const home = newHome({});
  const seen = await startEcho(home);
  const client = clientOf(await startGateway(home));
  await untilAnswered(client, seen);
  await client.unary(Buffer.from("x"), stating({ "x-ferry-priority": "critical", "x-ferry-source": "root" }));
  expect(seen.at(-1)!.get("x-ferry-priority")).toEqual([]);
  expect(seen.at(-1)!.get("x-ferry-source")).toEqual(["edge"]);
});

test("a gateway that is told to keeps x-ferry-*, and a sidecar passes the priority on", async () => {
  const home = newHome({});
  const seen = await startEcho(home);
  const client = clientOf(await startGateway(home, { FERRY_EDGE_CONTROL_HEADERS: "keep" }));
  await untilAnswered(client, seen);
  // Through two sidecars: the gateway's way out and the way in of `echo`.
  await client.unary(Buffer.from("x"), stating({ "x-ferry-priority": "critical", "x-ferry-source": "root" }));
  expect(seen.at(-1)!.get("x-ferry-priority")).toEqual(["critical"]);
  expect(seen.at(-1)!.get("x-ferry-source")).toEqual(["edge"]);
});

test("a rate in the service's own settings holds at its sidecar, from the next edit on", async () => {
  const home = newHome({});
  const seen = await startEcho(home);
  const client = clientOf(await startGateway(home));
  await untilAnswered(client, seen);
  write(home, { ferry_inbound_rate_limit: "edge=1/h" });
  const ask = () =>
    client.unary(Buffer.from("x")).then(
      () => undefined,
      (error: ServiceError) => error,
    );
  await expect.poll(ask, { timeout: 8_000, interval: 20 }).toMatchObject({ code: 8 });
  const refused = await ask();
  expect(refused?.metadata.get("x-ferry-failure")).toEqual(["rate_limited"]);
  expect(Number(refused?.metadata.get("grpc-retry-pushback-ms")[0])).toBeGreaterThan(1_000_000);
  write(home, {});
  await expect.poll(ask, { timeout: 8_000, interval: 20 }).toBeUndefined();
});
