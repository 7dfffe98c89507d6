// How serve.ts ends: nobody is cut off who did not have to be.

import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import { QuoteQueryService } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { refuse } from "./refusal.ts";
import { testClient } from "./testing/grpc-client.ts";
import { quiet, startServing } from "./testing/started-serving.ts";

const { getQuote, watchQuotes } = QuoteQueryService.method;

describe("a drain", () => {
  test("takes calls until its callers had time to hear that health says no", async () => {
    const clock = new TestingClock();
    const { serving, client } = await startServing({}, {}, 5000, { drainPropagationMs: 1000, clock });
    const drained = serving.drain();
    const health = await client.unary(Health.method.check, {});
    expect(health.message?.status).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
    expect((await client.unary(getQuote, { quoteId: "q1" })).code).toBe(status.OK);
    clock.advance(1000);
    await drained;
    expect((await client.unary(getQuote, { quoteId: "q1" })).code).toBe(status.UNAVAILABLE);
  });

  test("lets a running call finish and takes no new connection", async () => {
    const running = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const { serving, client } = await startServing({
      async getQuote(request, context) {
        running.resolve();
        await finish.promise;
        return quiet.getQuote(request, context);
      },
    });
    const reply = client.unary(getQuote, { quoteId: "q1" });
    await running.promise;
    const drained = serving.drain();
    finish.resolve();
    expect((await reply).code).toBe(status.OK);
    await drained;
    const late = testClient(serving.port);
    expect((await late.unary(getQuote, { quoteId: "q1" })).code).toBe(status.UNAVAILABLE);
    late.close();
  });

  test("tells a stream without an end, which ends with its own status", async () => {
    const { serving, client } = await startServing({
      async *watchQuotes(_request, context) {
        context.sendHeader();
        yield* [];
        await new Promise((resolve) => context.draining.addEventListener("abort", resolve));
        return refuse("unavailable", "draining");
      },
    });
    const call = client.serverStream(watchQuotes, {});
    call.on("error", () => {});
    const ended = new Promise<number>((resolve) => call.on("status", ({ code }) => resolve(code)));
    call.on("data", () => {});
    await new Promise((resolve) => call.once("metadata", resolve));
    await serving.drain();
    expect(await ended).toBe(status.UNAVAILABLE);
  });

  test("cuts a call that outlives the grace period", async () => {
    const running = Promise.withResolvers<void>();
    const { serving, client } = await startServing(
      {
        getQuote: () => {
          running.resolve();
          return new Promise(() => {});
        },
      },
      {},
      20,
    );
    const reply = client.unary(getQuote, { quoteId: "q1" });
    await running.promise;
    await serving.drain();
    expect((await reply).code).not.toBe(status.OK);
  });
});
