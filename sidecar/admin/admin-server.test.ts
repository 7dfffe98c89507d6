import { request } from "node:http";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, test } from "vitest";
import { AdminService } from "../../gen/ferry/admin/v1/admin_service_pb.ts";
import { quoterSnapshot } from "../routing/testing-chain.ts";
import { MetricRegistry } from "../telemetry/metric-registry.ts";
import { type AdminServer, startAdminServer } from "./admin-server.ts";
import type { AdminSource, AdminStatus } from "./admin-source.ts";

const status: AdminStatus = {
  service: "quote-query",
  instanceId: "quote-query-1",
  version: "v1",
  role: "sidecar",
  state: "ready",
  appHealth: "passing",
  reason: "",
  inbound: "127.0.0.1:7001",
  outbound: "127.0.0.1:7002",
  pid: 4711,
  callsInFlight: 2,
};
const rejected = [
  { file: "service-splitter/q.json", path: "Splits[0].Weight", expected: "0 to 100", found: "900", suggestion: "90" },
];
const endpoint = {
  upstream: "quoter",
  target: "v1.quote-query",
  instanceId: "quote-query-1",
  address: "127.0.0.1:7001",
  version: "v1",
  health: "passing",
  admission: "ejected",
  active: 3,
} as const;

let server: AdminServer | undefined;
afterEach(() => server?.close());

async function start(overrides: Partial<AdminStatus> = {}): Promise<AdminServer> {
  const registry = new MetricRegistry();
  registry.counter({ name: "x_total", help: "X.", labels: [] }).child().value = 7;
  const source: AdminSource = {
    refresh: () => Promise.resolve(),
    status: () => ({ ...status, ...overrides }),
    config: () => ({ hash: "abc", rejected, snapshots: [quoterSnapshot()], workers: [] }),
    endpoints: () => [endpoint],
    settings: () => ({ drainGraceMs: 30_000, timeoutMs: Number.POSITIVE_INFINITY }),
    metrics: () => registry.snapshot(),
  };
  server = await startAdminServer({ host: "127.0.0.1", port: 0 }, source);
  return server;
}

interface Got {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: server!.host, port: server!.port, path, headers, method }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode!, type: response.headers["content-type"], text }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

describe("the admin server", () => {
  test("is live whatever the state, and ready only in the state ready", async () => {
    await start();
    expect(await get("/live")).toMatchObject({ status: 200, text: "live\n" });
    expect(await get("/ready")).toMatchObject({ status: 200, text: "ready\n" });
    await server!.close();
    await start({ state: "draining", reason: "SIGTERM" });
    expect(await get("/live")).toMatchObject({ status: 200 });
    expect(await get("/ready")).toMatchObject({ status: 503, text: "draining: SIGTERM\n" });
  });

  test("shows metrics as Prometheus reads them", async () => {
    await start();
    expect(await get("/metrics")).toEqual({
      status: 200,
      type: "text/plain; version=0.0.4; charset=utf-8",
      text: "# HELP x_total X.\n# TYPE x_total counter\nx_total 7\n",
    });
  });

  test("dumps settings, snapshots and what was refused as JSON, without losing infinity", async () => {
    await start();
    const dump = JSON.parse((await get("/config")).text);
    expect(dump).toMatchObject({ hash: "abc", rejected, settings: { drainGraceMs: 30_000, timeoutMs: "Infinity" } });
    expect(dump.snapshots[0].upstream).toBe("quoter");
  });

  test("answers the admin service over Connect", async () => {
    const { port } = await start();
    for (const useBinaryFormat of [true, false]) {
      const baseUrl = `http://127.0.0.1:${port}`;
      const client = createClient(
        AdminService,
        createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat }),
      );
      expect(await client.getStatus({})).toMatchObject(status);
      const config = await client.getConfig({});
      expect(config).toMatchObject({ hash: "abc", rejected });
      expect(config.snapshots[0]).toMatchObject({ upstream: "quoter", revision: 1n });
      expect(JSON.parse(config.snapshots[0]!.json).chain.ServiceName).toBe("quoter");
      expect((await client.listEndpoints({})).endpoints).toMatchObject([endpoint]);
    }
  });

  test("says 404 and 405", async () => {
    await start();
    expect((await get("/nothing")).status).toBe(404);
    expect((await get("/config", {}, "POST")).status).toBe(405);
  });
});

describe("who is let in", () => {
  test.each(["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example"])(
    "Host %j is refused: a name may be rebound to loopback",
    async (host) => {
      await start();
      expect((await get("/config", { host })).status).toBe(403);
    },
  );

  test("localhost and addresses are let in, with any port", async () => {
    await start();
    for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1:9999", "[::1]:80", "10.0.0.1"]) {
      expect((await get("/live", { host })).status).toBe(200);
    }
  });

  test("a page of another origin is refused", async () => {
    await start();
    const host = `127.0.0.1:${server!.port}`;
    expect((await get("/live", { host, origin: "https://evil.example" })).status).toBe(403);
    expect((await get("/live", { host, origin: "null" })).status).toBe(403);
    expect((await get("/live", { host, origin: `http://${host}` })).status).toBe(200);
  });

  test("it refuses to listen beyond loopback unless told", async () => {
    await expect(startAdminServer({ host: "0.0.0.0", port: 0 }, {} as AdminSource)).rejects.toThrow(
      "admin server: 0.0.0.0 is not a loopback address",
    );
    server = await startAdminServer({ host: "0.0.0.0", port: 0, mayLeaveLoopback: true }, {} as AdminSource);
    expect(server.port).toBeGreaterThan(0);
  });

  test("a taken port is the OS's own error", async () => {
    const { port } = await start();
    await expect(startAdminServer({ host: "127.0.0.1", port }, {} as AdminSource)).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
  });
});
