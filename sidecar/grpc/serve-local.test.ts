import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from "../../gen/grpc/health/v1/health_pb.ts";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { protobufMethod } from "./protobuf-method.ts";
import { localMethod } from "./serve-local.ts";
import { Status } from "./status.ts";
import { StatusError } from "./status-error.ts";
import { goAway, localCall, ReplyReader, ScriptedBody } from "./testing/local-call.ts";

const { SERVING } = HealthCheckResponse_ServingStatus;
const check = "/grpc.health.v1.Health/Check";
const ask = (service: string) => create(HealthCheckRequestSchema, { service });

describe("a unary method", () => {
  const service = localMethod(protobufMethod(Health.method.check), (request) => {
    if (request.service === "odd") throw new StatusError(Status.NOT_FOUND, "odd is unknown");
    if (request.service === "bug") throw new TypeError("a defect");
    return { status: SERVING };
  });

  test("answers with header, one message and trailers", async () => {
    const call = localCall(check, new ScriptedBody().message(HealthCheckRequestSchema, ask("a"), true));
    const reader = new ReplyReader(await service(call), HealthCheckResponseSchema);
    expect(reader.fields.map((field) => field.value)).toEqual(["200", "application/grpc"]);
    expect(reader.messages).toMatchObject([{ status: SERVING }]);
    expect(reader.value("grpc-status")).toBe("0");
    expect(reader.outcome).toEqual({ status: 0, httpStatus: 200, failure: undefined });
  });

  test("refuses in one header block", async () => {
    const call = localCall(check, new ScriptedBody().message(HealthCheckRequestSchema, ask("odd"), true));
    const reply = await service(call);
    expect(reply.endsWithHead).toBe(true);
    const reader = new ReplyReader(reply, HealthCheckResponseSchema);
    expect(reader.value("grpc-status")).toBe("5");
    expect(reader.value("grpc-message")).toBe("odd is unknown");
  });

  test("lets a defect through to rescue", async () => {
    const call = localCall(check, new ScriptedBody().message(HealthCheckRequestSchema, ask("bug"), true));
    await expect(service(call)).rejects.toThrow("a defect");
  });

  test.each([
    ["no message", new ScriptedBody().end(), "13"],
    ["two messages", new ScriptedBody().message(HealthCheckRequestSchema, ask("")).bytes(Buffer.alloc(5), true), "13"],
    ["half a message", new ScriptedBody().bytes(Buffer.from([0, 0, 0, 0, 9, 1]), true), "13"],
    ["a message that is not protobuf", new ScriptedBody().bytes(Buffer.from([0, 0, 0, 0, 1, 255]), true), "13"],
    ["a compressed message", new ScriptedBody().bytes(Buffer.from([1, 0, 0, 0, 1, 0]), true), "12"],
    ["a message of 1 GiB", new ScriptedBody().bytes(Buffer.from([0, 64, 0, 0, 0]), true), "8"],
  ])("refuses a request with %s", async (_what, body, status) => {
    const reader = new ReplyReader(await service(localCall(check, body)), HealthCheckResponseSchema);
    expect(reader.value("grpc-status")).toBe(status);
  });

  test("gives up when the caller goes away before its request is whole", async () => {
    const call = localCall(check, new ScriptedBody());
    const reply = service(call);
    goAway(call);
    await expect(reply).rejects.toMatchObject({ kind: "cancelled" });
  });
});

describe("a server stream", () => {
  test("makes no more than the caller has credit for, and goes on when credit comes", async () => {
    let made = 0;
    const big = localMethod(protobufMethod(ServerReflection.method.serverReflectionInfo), async function* run() {
      for (; made < 100; made++) yield { validHost: "x".repeat(10_000) };
    });
    const reply = await big(localCall("/", new ScriptedBody().end()));
    const reader = new ReplyReader(reply, ServerReflectionResponseSchema, false);
    await reader.until(({ messages }) => messages.length >= 6);
    await new Promise((resolve) => setImmediate(resolve));
    expect(made).toBeLessThanOrEqual(7);
    reply.body.grant(30_000);
    await reader.until(({ messages }) => messages.length >= 9);
    reply.body.grant(10_000_000);
    await reader.until(({ ended }) => ended !== undefined);
    expect(reader.messages).toHaveLength(100);
    expect(reader.outcome?.status).toBe(0);
  });

  test("tells its handler when the caller goes away, and breaks off", async () => {
    const service = localMethod(protobufMethod(Health.method.watch), async function* watch(_request, { signal }) {
      yield { status: SERVING };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      handlerEnded = true;
    });
    let handlerEnded = false;
    const call = localCall("/", new ScriptedBody().message(HealthCheckRequestSchema, ask(""), true));
    const reader = new ReplyReader(await service(call), HealthCheckResponseSchema);
    await reader.until(({ messages }) => messages.length === 1);
    goAway(call);
    await reader.until(({ aborted }) => aborted !== undefined);
    expect(reader.outcome).toEqual({ status: 1, httpStatus: 200, failure: "cancelled" });
    await new Promise((resolve) => setImmediate(resolve));
    expect(handlerEnded).toBe(true);
    expect(reader.ended).toBeUndefined();
  });

  test("ends with the status its handler throws, also after messages", async () => {
    const service = localMethod(protobufMethod(Health.method.watch), async function* watch() {
      yield { status: SERVING };
      throw new StatusError(Status.UNAVAILABLE, "gone");
    });
    const call = localCall("/", new ScriptedBody().message(HealthCheckRequestSchema, ask(""), true));
    const reader = new ReplyReader(await service(call), HealthCheckResponseSchema);
    await reader.until(({ ended }) => ended !== undefined);
    expect([reader.value("grpc-status"), reader.value("grpc-message")]).toEqual(["14", "gone"]);
  });
});

describe("a bidi stream", () => {
  const echo = localMethod(protobufMethod(ServerReflection.method.serverReflectionInfo), async function* run(requests) {
    for await (const request of requests) yield { validHost: request.host };
  });
  const from = (host: string) => create(ServerReflectionRequestSchema, { host });

  test("answers each message when it comes and ends when the caller has ended", async () => {
    const body = new ScriptedBody();
    const reader = new ReplyReader(await echo(localCall("/", body)), ServerReflectionResponseSchema);
    body.message(ServerReflectionRequestSchema, from("a"));
    await reader.until(({ messages }) => messages.length === 1);
    body.message(ServerReflectionRequestSchema, from("b"), true);
    await reader.until(({ ended }) => ended !== undefined);
    expect(reader.messages.map(({ validHost }) => validHost)).toEqual(["a", "b"]);
    expect(body.granted).toBe(16);
  });

  test("does not grant what its handler has not taken", async () => {
    const body = new ScriptedBody();
    const reply = await echo(localCall("/", body));
    for (let i = 0; i < 5; i++) body.message(ServerReflectionRequestSchema, from("x".repeat(100)));
    expect(body.granted).toBe(0);
    const reader = new ReplyReader(reply, ServerReflectionResponseSchema);
    await reader.until(({ messages }) => messages.length === 5);
    expect(body.granted).toBe(5 * 107);
  });

  test("a message larger than the window still arrives: its parts are granted", async () => {
    const body = new ScriptedBody();
    const reader = new ReplyReader(await echo(localCall("/", body)), ServerReflectionResponseSchema);
    body.bytes(Buffer.from([0, 0, 0, 0, 7, 10]));
    expect(body.granted).toBe(6);
    body.bytes(Buffer.from([5, 0x61, 0x61, 0x61, 0x61, 0x61]), true);
    await reader.until(({ ended }) => ended !== undefined);
    expect(reader.messages.map(({ validHost }) => validHost)).toEqual(["aaaaa"]);
  });
});
