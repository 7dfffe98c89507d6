// The gateway's own answers over real sockets, asked by the clients that people use.

import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { credentials, Metadata, makeClientConstructor, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { randomHex } from "../../common/random.ts";
import { decodeStatusDetails } from "../../common/status-details.ts";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { Call } from "../call.ts";
import { reflect } from "../descriptors/reflect.ts";
import { ProxyFailure } from "../failure.ts";
import { PendingReply } from "../pending-reply.ts";
import { rescue } from "../rescue.ts";
import { deadline } from "../resilience/deadline.ts";
import { serveCalls } from "../serve-calls.ts";
import { type Service, stack } from "../stack.ts";
import { plaintextDialer } from "../transport/dial.ts";
import { type Listening, listenHttp2 } from "../transport/listen.ts";
import { Pool } from "../transport/pool.ts";
import { answerLocally } from "./edge.ts";

const serving = new Map([["a.A", true]]);
const watchers = new Set<() => void>();
const nowhere: Service<Call> = (call) =>
  PendingReply.withError(new ProxyFailure("no_route", "test", `nothing at ${call.path}`));
let listening: Listening;
let pool: Pool;
let baseUrl: string;

beforeAll(async () => {
  const edge = answerLocally({
    health: {
      isReady: () => true,
      services: () => [...serving.keys()],
      isServing: (service) => serving.get(service),
      onChange(listener) {
        watchers.add(listener);
        return () => watchers.delete(listener);
      },
    },
    reflection: { reachable: () => [] },
  });
  const service = stack(
    rescue((error) => {
      throw error;
    }, systemClock),
    deadline(systemClock, () => "test"),
    edge,
    nowhere,
  );
  const calls = serveCalls(service, { nowMs: () => systemClock.nowMs(), randomHex, sampleNew: () => false });
  const onRequest = (stream: Parameters<typeof calls.serve>[0]) => calls.serve(stream);
  listening = await listenHttp2({ host: "127.0.0.1", port: 0, clock: systemClock, onRequest });
  baseUrl = `http://127.0.0.1:${listening.port}`;
  pool = new Pool({ clock: systemClock, dial: plaintextDialer(systemClock) });
});

afterAll(async () => {
  await pool.close();
  await listening.drain(0);
});

describe("over the wire", () => {
  test("health is checked, listed and watched by connect's gRPC client", async () => {
    const client = createClient(Health, createGrpcTransport({ baseUrl }));
    expect(await client.check({ service: "a.A" })).toMatchObject({ status: ServingStatus.SERVING });
    expect(Object.keys((await client.list({})).statuses).sort()).toEqual(["", "a.A"]);
    await expect(client.check({ service: "b.B" })).rejects.toMatchObject({ code: 5 });
    const seen: number[] = [];
    const abort = new AbortController();
    const watch = (async () => {
      for await (const { status } of client.watch({ service: "a.A" }, { signal: abort.signal })) {
        seen.push(status);
        if (seen.length === 2) abort.abort();
        serving.set("a.A", false);
        for (const told of watchers) told();
      }
    })();
    await expect(watch).rejects.toMatchObject({ code: 1 });
    expect(seen).toEqual([ServingStatus.SERVING, ServingStatus.NOT_SERVING]);
    while (watchers.size > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  test.each([ServerReflection, ServerReflectionAlpha])(
    "reflection is a stream of its own: $typeName",
    async (service) => {
      const client = createClient(service as typeof ServerReflection, createGrpcTransport({ baseUrl }));
      async function* questions() {
        yield { messageRequest: { case: "listServices", value: "" } } as const;
        yield { messageRequest: { case: "fileContainingSymbol", value: "grpc.health.v1.Health" } } as const;
      }
      const kinds: (string | undefined)[] = [];
      for await (const { messageResponse } of client.serverReflectionInfo(questions()))
        kinds.push(messageResponse.case);
      expect(kinds).toEqual(["listServicesResponse", "fileDescriptorResponse"]);
    },
  );

  test("our own reflection client reads our own reflection", async () => {
    const target = { host: "127.0.0.1", port: listening.port, service: "edge", version: "" };
    const reflected = await reflect({ sender: pool, clock: systemClock }, target);
    expect(reflected).toMatchObject({ services: [], files: [] });
  });

  test("grpc-js reads a failure of Ferry: status, text, kind and details", async () => {
    const bytes = (value: Buffer) => value;
    const path = "/nowhere.Service/Method";
    const Client = makeClientConstructor(
      {
        method: {
          path,
          requestStream: false,
          responseStream: false,
          requestSerialize: bytes,
          requestDeserialize: bytes,
          responseSerialize: bytes,
          responseDeserialize: bytes,
        },
      },
      "Nowhere",
    );
    const client = new Client(`127.0.0.1:${listening.port}`, credentials.createInsecure());
    const error = await new Promise<ServiceError>((resolve) => {
      client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), new Metadata(), (failure) => resolve(failure!));
    });
    client.close();
    expect(error.code).toBe(12);
    expect(error.details).toBe("test: nothing at /nowhere.Service/Method");
    expect(error.metadata.get("x-ferry-failure")).toEqual(["no_route"]);
    const [details] = error.metadata.get("grpc-status-details-bin");
    expect(decodeStatusDetails((details as Buffer).toString("base64"))?.errorInfo).toEqual({
      reason: "NO_ROUTE",
      domain: "ferry",
      metadata: { where: "test", attempts: "0" },
    });
  });

  test("a watch ends with its deadline", async () => {
    const client = createClient(Health, createGrpcTransport({ baseUrl }));
    const watch = (async () => {
      for await (const { status } of client.watch({ service: "" }, { timeoutMs: 100 })) expect(status).toBe(1);
    })();
    await expect(watch).rejects.toMatchObject({ code: 4 });
  });
});
