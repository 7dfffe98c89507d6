import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { TestingClock } from "../../common/testing-clock.ts";
import {
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Serving,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { plaintextDialer } from "../transport/dial.ts";
import { Pool } from "../transport/pool.ts";
import { grpcHealthProbe, watchAppHealth } from "./app-health.ts";
import type { HealthState, ProbeResult } from "./health-state.ts";

describe("grpcHealthProbe", () => {
  const servers: Http2Server[] = [];
  const pools: Pool[] = [];
  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close();
    for (const server of servers.splice(0)) server.close();
  });

  /** A server that answers every health check with `answer`. */
  async function serve(answer: { status?: number; grpcStatus?: string; isSilent?: boolean }) {
    const sessions: ServerHttp2Session[] = [];
    const server = createServer();
    servers.push(server);
    server.on("session", (session) => {
      sessions.push(session);
      // The client leaves with GOAWAY(CANCEL).
      session.on("error", () => {});
    });
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      if (answer.isSilent) return;
      const status = { "grpc-status": answer.grpcStatus ?? "0" };
      if (answer.status === undefined) {
        stream.respond({ ":status": 200, "content-type": "application/grpc", ...status }, { endStream: true });
        return;
      }
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(status));
      const status_ = answer.status as (typeof Serving)[keyof typeof Serving];
      const message = toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status: status_ }));
      const head = Buffer.alloc(5);
      head.writeUInt32BE(message.length, 1);
      stream.end(Buffer.concat([head, message]));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { port: (server.address() as AddressInfo).port, sessions };
  }

  function probeOf(port: number, timeoutMs = 2_000) {
    const sender = new Pool({ clock: systemClock, dial: plaintextDialer(systemClock) });
    pools.push(sender);
    return grpcHealthProbe({ host: "127.0.0.1", port, timeoutMs, clock: systemClock, sender });
  }

  test("SERVING is healthy, over one connection for all checks", async () => {
    const { port, sessions } = await serve({ status: Serving.SERVING });
    const probe = probeOf(port);
    for (let i = 0; i < 3; i++) expect(await probe()).toEqual({ kind: "serving" });
    expect(sessions).toHaveLength(1);
  });

  test("NOT_SERVING is told with its name", async () => {
    const { port } = await serve({ status: Serving.NOT_SERVING });
    expect(await probeOf(port)()).toEqual({ kind: "not_serving", detail: `127.0.0.1:${port} says NOT_SERVING` });
  });

  test("a server without the health service counts as reachable", async () => {
    const { port } = await serve({ grpcStatus: "12" });
    expect(await probeOf(port)()).toEqual({ kind: "unimplemented" });
  });

  test("a port where nobody listens is refused", async () => {
    const { port } = await serve({});
    servers.splice(0)[0]!.close();
    expect(await probeOf(port)()).toEqual({ kind: "refused", detail: `127.0.0.1:${port}: connection refused` });
  });

  test("a server that does not answer fails the check at its timeout", async () => {
    const { port } = await serve({ isSilent: true });
    expect(await probeOf(port, 50)()).toEqual({
      kind: "failed",
      detail: `127.0.0.1:${port}: no answer to a health check within 50 ms`,
    });
  });

  test("another failure is told with its message", async () => {
    const { port } = await serve({ grpcStatus: "13" });
    expect(await probeOf(port)()).toMatchObject({
      kind: "failed",
      detail: expect.stringContaining("health check failed"),
    });
  });
});

describe("watchAppHealth", () => {
  test("tells changes only, looks more often until the first success, and stops with the signal", async () => {
    const clock = new TestingClock();
    const end = new AbortController();
    const answers: ProbeResult[] = [
      { kind: "refused", detail: "refused" },
      { kind: "refused", detail: "refused" },
    ];
    const states: HealthState[] = [];
    let asked = 0;
    watchAppHealth({
      ...{ intervalMs: 1_000, clock, signal: end.signal },
      onChange: (state) => states.push(state),
      probe: async () => {
        asked++;
        return answers.shift() ?? { kind: "serving" };
      },
    });
    await clock.advance(0);
    expect(states.map(({ health, note }) => `${health} ${note}`)).toEqual(["critical refused"]);
    await clock.advance(400);
    expect(asked).toBe(3);
    await clock.advance(3_000);
    expect(asked).toBe(6);
    expect(states.map(({ health }) => health)).toEqual(["critical", "passing"]);
    answers.push({ kind: "not_serving", detail: "it says so" });
    await clock.advance(1_000);
    expect(states.at(-1)).toMatchObject({ health: "critical", note: "it says so" });
    end.abort();
    await clock.advance(10_000);
    expect(asked).toBe(7);
    expect(clock.pendingTimers).toBe(0);
  });
});
