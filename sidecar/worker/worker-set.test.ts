// Real worker processes in front of a grpc-js server, driven by grpc-js clients with a connection each. Each set of
// workers takes a second to start.

import { once } from "node:events";
import type { TLSSocket } from "node:tls";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { jsonLog } from "../../common/json-log.ts";
import type { ControlUpdate, DataPartParams, Entrance } from "../data-part.ts";
import { EchoClient, type EchoServer, startEchoServer } from "../http2/testing/echo-service.ts";
import { compileSnapshot } from "../routing/compile-snapshot.ts";
import { compileChain } from "../routing/local-compiler.ts";
import { emptyMeshConfig } from "../routing/mesh-config/mesh-config.ts";
import { serverMaterial, tlsClient } from "../transport/testing/tls-fixture.ts";
import { startWorkerSet, type WorkerSet } from "./worker-set.ts";

const host = "127.0.0.1";
const name = "echo";
const logged: string[] = [];
const log = jsonLog("test", "info", (line) => logged.push(line));
const quiet = { log, want: () => {} };

const params: DataPartParams = {
  plane: { maxCallsInFlight: 10_000, maxReplayBytes: 65_536, limits: { maxConnectionsPerAddress: 40 } },
  observation: {
    ...{ service: name, instance: "echo-1", version: "", isGateway: false },
    ...{ otlpEndpoint: null, otelServiceName: null, hasAccessLog: false },
  },
  sampleRatio: 0,
};

function snapshotTo(port: number, revision = 1): ControlUpdate {
  const compiled = compileChain(emptyMeshConfig.set, name);
  if (!compiled.ok) throw new Error(compiled.problem.expected);
  const endpoint = { id: `${port}`, service: name, version: "", host, port, weight: 1, health: "passing", meta: {} };
  const instances = new Map([[name, [{ ...endpoint, health: "passing" as const }]]]);
  const methods = {};
  return {
    kind: "snapshot",
    snapshot: compileSnapshot({ upstream: name, revision, chain: compiled.chain, instances, methods }),
  };
}

/** A client with a connection of its own and a call on it that goes on. */
class Talk {
  readonly client: EchoClient;
  readonly stream: ClientDuplexStream<Buffer, Buffer>;
  /** How the stream ended: a gRPC status. */
  readonly ended: Promise<number>;

  constructor(port: number) {
    this.client = new EchoClient(port);
    this.stream = this.client.duplex();
    this.stream.on("error", () => {});
    this.ended = new Promise((resolve) => this.stream.on("status", ({ code }) => resolve(code)));
  }

  async say(text: string): Promise<string> {
    const heard = new Promise<string>((resolve) =>
      this.stream.once("data", (data: Buffer) => resolve(data.toString())),
    );
    this.stream.write(Buffer.from(text));
    return heard;
  }
}

const ends: (() => unknown)[] = [];
let echo: EchoServer;
beforeAll(async () => {
  echo = await startEchoServer();
});
afterAll(() => echo.close());
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(): Promise<{ set: WorkerSet; entrance: Entrance }> {
  const set = await startWorkerSet(2, params, quiet);
  ends.push(() => set.close());
  set.apply(snapshotTo(echo.port));
  return { set, entrance: await set.open({ way: "outbound", at: { host, port: 0 }, upstream: name }) };
}

async function talks(port: number, count: number): Promise<Talk[]> {
  const all = Array.from({ length: count }, () => new Talk(port));
  ends.push(() => all.map(({ client }) => client.close()));
  for (const talk of all) expect(await talk.say("hello")).toBe("hello");
  return all;
}

/** A client that has done its handshake. */
async function certified(port: number): Promise<TLSSocket> {
  const socket = tlsClient(port);
  await once(socket, "secureConnect");
  return socket;
}

const connectionsOf = (set: WorkerSet) => set.workers().map(({ connections }) => connections);

async function callsCounted(set: WorkerSet): Promise<number> {
  await set.refresh("metrics");
  const family = set.metrics().find((one) => one.name === "ferry_calls_total");
  return family?.samples.reduce((sum, { value }) => sum + value, 0) ?? 0;
}

function gauge(set: WorkerSet, wanted: string): number | undefined {
  return set.metrics().find((one) => one.name === wanted)?.samples[0]?.value;
}

describe("two workers", { timeout: 20_000 }, () => {
  test("twenty long connections are ten each; a worker that is killed ends its ten, and is replaced", async () => {
    const { set, entrance } = await start();
    const all = await talks(entrance.port, 20);
    expect(connectionsOf(set)).toEqual([10, 10]);
    expect(entrance.connections).toBe(20);
    await set.refresh("state");
    expect(set.callsInFlight).toBe(20);
    expect(set.endpoints().map(({ active }) => active)).toEqual([20]);

    const [first, second] = set.workers();
    process.kill(first!.pid, "SIGKILL");
    const states = all.map(() => "goes on");
    for (const [at, talk] of all.entries()) void talk.ended.then((code) => (states[at] = `ended with ${code}`));
    await expect.poll(() => states.filter((state) => state === "ended with 14").length).toBe(10);
    const living = all.filter((_, at) => states[at] === "goes on");
    for (const talk of living) expect(await talk.say("still here")).toBe("still here");
    await expect.poll(() => set.workers().filter(({ state }) => state === "ready").length, { timeout: 8_000 }).toBe(2);
    expect(set.workers()[1]!.pid).toBe(second!.pid);
    expect(set.workers()[0]!.pid).not.toBe(first!.pid);
    expect(connectionsOf(set)[1]).toBe(10);
    const line = logged.find((one) => one.includes("worker died and is replaced"));
    expect(JSON.parse(line!)).toMatchObject({ worker: 1, pid: first!.pid, how: "SIGKILL", lostConnections: 10 });
    await set.refresh("metrics");
    expect([gauge(set, "ferry_workers"), gauge(set, "ferry_workers_replaced_total")]).toEqual([2, 1]);

    // What is in force is there for the new one, and it gets the next connections.
    await talks(entrance.port, 4);
    expect(connectionsOf(set)[0]).toBeGreaterThanOrEqual(4);
  });

  test("when one worker's clients have gone, some of the other's come to it, and no call fails", async () => {
    const { set, entrance } = await start();
    const clients = Array.from({ length: 12 }, () => new EchoClient(entrance.port));
    ends.push(() => clients.map((client) => client.close()));
    for (const client of clients) await client.unary(Buffer.from("hello"));
    expect(connectionsOf(set)).toEqual([6, 6]);
    const staying = clients.filter((_, at) => at % 2 === 1);
    for (const client of clients) if (!staying.includes(client)) client.close();
    await expect.poll(() => connectionsOf(set)).toEqual([0, 6]);
    const isSpread = async () => {
      await Promise.all(staying.map((client) => client.unary(Buffer.from("steady"))));
      return connectionsOf(set);
    };
    // One a second goes.
    await expect.poll(isSpread, { timeout: 8_000 }).toEqual([2, 4]);
    await set.refresh("metrics");
    const closes = set.metrics().find((one) => one.name === "ferry_forced_closes_total")!.samples;
    expect(closes.map(({ labels, value }) => [...labels, value])).toEqual([["rebalance", 2]]);
  });

  test("a new snapshot acts in both, for connections that were there before", async () => {
    const { set, entrance } = await start();
    const other = await startEchoServer();
    ends.push(() => other.close());
    const clients = (await talks(entrance.port, 4)).map(({ client }) => client);
    expect(connectionsOf(set)).toEqual([2, 2]);
    set.apply(snapshotTo(other.port, 2));
    await set.refresh("state");
    const before = echo.seen.calls;
    for (const client of clients) await client.unary(Buffer.from("to the other"));
    expect([echo.seen.calls, other.seen.calls]).toEqual([before, 4]);
    expect(set.snapshots().map(({ revision }) => revision)).toEqual([2]);
    expect(set.endpoints().map(({ instanceId }) => instanceId)).toEqual([`${other.port}`]);
  });

  test("counts of both add up, and those of one that died stay", async () => {
    const { set, entrance } = await start();
    const clients = Array.from({ length: 4 }, () => new EchoClient(entrance.port));
    ends.push(() => clients.map((client) => client.close()));
    for (let round = 0; round < 5; round++) for (const client of clients) await client.unary(Buffer.from("x"));
    expect(await callsCounted(set)).toBe(20);
    process.kill(set.workers()[0]!.pid, "SIGKILL");
    await expect.poll(() => set.workers()[0]?.pid ?? 0).not.toBe(0);
    await expect.poll(() => callsCounted(set)).toBe(20);
    for (const client of clients) await client.unary(Buffer.from("x")).catch(() => client.unary(Buffer.from("x")));
    expect(await callsCounted(set)).toBe(24);
  });

  test("connections of one address are counted over both", async () => {
    const { set, entrance } = await start();
    const clients = Array.from({ length: 41 }, () => new EchoClient(entrance.port));
    ends.push(() => clients.map((client) => client.close()));
    const results = await Promise.allSettled(clients.map((client) => client.unary(Buffer.from("x"))));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(40);
    expect(connectionsOf(set)).toEqual([20, 20]);
    expect(gauge(set, "ferry_forced_closes_total")).toBe(1);
  });

  test("connections that come while no worker is there wait for one", async () => {
    const { set, entrance } = await start();
    for (const { pid } of set.workers()) process.kill(pid, "SIGKILL");
    await expect.poll(() => set.workers().filter(({ state }) => state === "ready")).toEqual([]);
    const [talk] = await talks(entrance.port, 1);
    expect(await talk!.say("served")).toBe("served");
  });

  test("renewed certificates are in force in both, and open connections go on", async () => {
    const set = await startWorkerSet(2, { ...params, listenerTls: { material: serverMaterial("old") } }, quiet);
    ends.push(() => set.close());
    const entrance = await set.open({ way: "outbound", at: { host, port: 0 }, upstream: name });
    const open = await Promise.all([certified(entrance.port), certified(entrance.port)]);
    expect(open.map((socket) => socket.getPeerCertificate().subject.CN)).toEqual(["old", "old"]);
    await expect.poll(() => connectionsOf(set)).toEqual([1, 1]);
    set.apply({ kind: "listenerTls", material: serverMaterial("new") });
    await set.refresh("state");
    const later = await Promise.all([certified(entrance.port), certified(entrance.port)]);
    expect(later.map((socket) => socket.getPeerCertificate().subject.CN)).toEqual(["new", "new"]);
    expect(open.map(({ destroyed }) => destroyed)).toEqual([false, false]);
    for (const socket of [...open, ...later]) socket.destroy();
  });

  test("a drain lets calls of both end as they would have, and takes no connection any more", async () => {
    const { set, entrance } = await start();
    const all = await talks(entrance.port, 6);
    expect(connectionsOf(set)).toEqual([3, 3]);
    let isDrained = false;
    const drained = entrance.drain({ graceMs: 5_000, hurry: new AbortController().signal }).then(() => {
      isDrained = true;
    });
    await expect(new EchoClient(entrance.port).unary(Buffer.from("late"))).rejects.toMatchObject({ code: 14 });
    for (const talk of all) expect(await talk.say("to the end")).toBe("to the end");
    expect(isDrained).toBe(false);
    for (const { stream } of all) stream.end();
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual([0, 0, 0, 0, 0, 0]);
    await drained;
    expect(entrance.connections).toBe(0);
  });

  test("whoever hurries does not wait: calls end with a status that says so", async () => {
    const { entrance } = await start();
    const all = await talks(entrance.port, 2);
    const hurry = new AbortController();
    const drained = entrance.drain({ graceMs: 60_000, hurry: hurry.signal });
    hurry.abort();
    await drained;
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual([14, 14]);
  });
});

test("workers that cannot start end it with their reason", async () => {
  const wrong = { ...params, upstreamTls: { material: { cert: "no certificate", key: "no key" } } };
  await expect(startWorkerSet(2, wrong, quiet)).rejects.toThrow(/PEM/);
});
