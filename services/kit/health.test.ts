import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { jsonLog } from "../../common/json-log.ts";
import { TestingClock } from "../../common/testing-clock.ts";
import { GetReadModelResponseSchema, ReadModelService } from "../../gen/ferry/admin/v1/read_model_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import { implement } from "./handler.ts";
import { type HealthProbe, HealthState } from "./health.ts";
import { serve } from "./serve.ts";
import { testClient } from "./testing/grpc-client.ts";

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;
const cleanUps: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});
const silent = jsonLog("test", "error", () => {});

async function start(probe: HealthProbe) {
  const clock = new TestingClock();
  const serving = await serve({
    listen: { host: "127.0.0.1", port: 0 },
    services: [implement(ReadModelService, { getReadModel: () => create(GetReadModelResponseSchema) })],
    health: probe,
    headers: {},
    log: silent,
    tracing: undefined,
    drainGraceMs: 1000,
    clock,
  });
  const client = testClient(serving.port);
  cleanUps.push(
    () => serving.drain(),
    () => client.close(),
  );
  return { clock, serving, client };
}

describe("health", () => {
  test("is what the probe said last, for the process and for each of its services", async () => {
    let ok = true;
    const { clock, client } = await start(async () => ({ ok, detail: "the log is away" }));
    const check = async (service: string) => (await client.unary(Health.method.check, { service })).message?.status;
    expect(await check("")).toBe(SERVING);
    expect(await check("ferry.admin.v1.ReadModelService")).toBe(SERVING);
    ok = false;
    await clock.advance(1000);
    expect(await check("")).toBe(NOT_SERVING);
    const list = await client.unary(Health.method.list, {});
    expect(list.message?.statuses["ferry.admin.v1.ReadModelService"]?.status).toBe(NOT_SERVING);
  });

  test("of a service that is not here is NOT_FOUND for Check and SERVICE_UNKNOWN for Watch", async () => {
    const { client } = await start(async () => ({ ok: true, detail: "" }));
    expect((await client.unary(Health.method.check, { service: "a.B" })).code).toBe(status.NOT_FOUND);
    const watch = client.serverStream(Health.method.watch, { service: "a.B" });
    watch.on("error", () => {});
    const [first] = await watch.take(1).toArray();
    expect(first.status).toBe(SERVICE_UNKNOWN);
    watch.cancel();
  });

  test("is pushed to watchers at once, and when it changes, and the watch ends when the process drains", async () => {
    let ok = true;
    const { clock, serving, client } = await start(async () => ({ ok, detail: "away" }));
    const watch = client.serverStream(Health.method.watch, {});
    const seen: number[] = [];
    const next = () => new Promise<void>((resolve) => watch.once("data", () => resolve()));
    watch.on("data", (message) => seen.push(message.status));
    const ended = new Promise<number>((resolve) =>
      watch.on("error", (error: Error & { code?: number }) => resolve(error.code ?? 0)),
    );
    await next();
    ok = false;
    let change = next();
    await clock.advance(1000);
    await change;
    ok = true;
    change = next();
    await clock.advance(1000);
    await change;
    await serving.drain();
    expect(await ended).toBe(status.UNAVAILABLE);
    expect(seen).toEqual([SERVING, NOT_SERVING, SERVING, NOT_SERVING]);
  });

  test("is not good while the probe throws or hangs", async () => {
    const clock = new TestingClock();
    let probe: HealthProbe = async () => {
      throw new Error("no such file");
    };
    const state = new HealthState(() => probe(), clock, silent);
    await state.start();
    expect(state.isServing).toBe(false);
    probe = async () => ({ ok: true, detail: "" });
    await clock.advance(1000);
    expect(state.isServing).toBe(true);
    probe = () => new Promise(() => {});
    await clock.advance(3000);
    expect(state.isServing).toBe(false);
    state.drain();
  });
});
