import { create, fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { jsonLog } from "../../common/json-log.ts";
import { BadRequestSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  QuoteCommandService,
  RecordViewsResponseSchema,
} from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { QuoteQueryService, WatchQuotesResponseSchema } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import type { HandlerContext } from "./handler.ts";
import { refuse } from "./refusal.ts";
import { serve } from "./serve.ts";
import { quiet, startServing } from "./testing/started-serving.ts";

const { getQuote, watchQuotes } = QuoteQueryService.method;

describe("a unary call", () => {
  test("gets its answer with the server's headers and what the handler added", async () => {
    const { client } = await startServing({
      getQuote(request, context) {
        context.setHeader("x-seen", context.header("x-mine") ?? "");
        context.setTrailer("x-end", "yes");
        return quiet.getQuote(request, context);
      },
    });
    const reply = await client.unary(getQuote, { quoteId: "q1" }, { headers: { "x-mine": "m" } });
    expect(reply.code).toBe(status.OK);
    expect(reply.message?.quote?.quoteId).toBe("q1");
    expect(reply.headers).toMatchObject({ "x-quoter-version": "v7", "x-seen": "m" });
    expect(reply.trailers).toMatchObject({ "x-end": "yes" });
  });

  test("that is refused gets the refusal's code and message, and the server's headers", async () => {
    const { client } = await startServing({ getQuote: ({ quoteId }) => refuse("not-found", `no quote ${quoteId}`) });
    const reply = await client.unary(getQuote, { quoteId: "q1" });
    expect([reply.code, reply.details]).toEqual([status.NOT_FOUND, "no quote q1"]);
    expect({ ...reply.headers, ...reply.trailers }).toMatchObject({ "x-quoter-version": "v7" });
  });

  test("that breaks a rule is refused with every field and rule, in words and as google.rpc.BadRequest", async () => {
    const { client } = await startServing();
    const reply = await client.unary(getQuote, { minPosition: "9".repeat(65) });
    expect(reply.code).toBe(status.INVALID_ARGUMENT);
    expect(reply.details).toBe("quote_id: must be at least 1 characters; min_position: must be at most 64 characters");
    const bytes = reply.status.metadata.get("grpc-status-details-bin")[0] as Buffer;
    const details = fromBinary(StatusSchema, bytes).details[0];
    const badRequest = details && anyUnpack(details, BadRequestSchema);
    expect(badRequest?.fieldViolations.map(({ field, reason }) => [field, reason])).toEqual([
      ["quote_id", "STRING_MIN_LEN"],
      ["min_position", "STRING_MAX_LEN"],
    ]);
  });

  test("whose handler throws gets INTERNAL and an id under which the log has the error", async () => {
    const { client, log } = await startServing({
      getQuote() {
        throw new Error("the secret reason");
      },
    });
    const reply = await client.unary(getQuote, { quoteId: "q1" });
    expect(reply.code).toBe(status.INTERNAL);
    expect(reply.details).not.toContain("secret");
    const id = /under ([0-9a-f]{16})$/.exec(reply.details)?.[1];
    const line = log.map((text) => JSON.parse(text)).find(({ bug }) => bug === id);
    expect(line).toMatchObject({ level: "error", error: { message: "the secret reason" } });
  });

  test("shows its deadline to the handler, and the handler sees it pass", async () => {
    const seen = Promise.withResolvers<[number, AbortSignal]>();
    const { client } = await startServing({
      getQuote: (_request, context) => {
        seen.resolve([context.deadlineMs, context.signal]);
        return new Promise(() => {});
      },
    });
    const reply = await client.unary(getQuote, { quoteId: "q1" }, { deadlineMs: 50 });
    const [deadlineMs, signal] = await seen.promise;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    expect(reply.code).toBe(status.DEADLINE_EXCEEDED);
    expect(deadlineMs).toBeGreaterThan(0);
    expect(deadlineMs).toBeLessThanOrEqual(50);
  });

  test("that the caller cancels is seen by the handler", async () => {
    const cancel = new AbortController();
    const aborted = Promise.withResolvers<string>();
    const { client, log } = await startServing({
      getQuote: (_request, context) =>
        new Promise((_resolve, reject) => {
          context.signal.addEventListener("abort", () => {
            aborted.resolve(String(context.signal.reason));
            reject(context.signal.reason);
          });
          cancel.abort();
        }),
    });
    const reply = await client.unary(getQuote, { quoteId: "q1" }, { signal: cancel.signal });
    expect(reply.code).toBe(status.CANCELLED);
    expect(await aborted.promise).toContain("cancelled");
    expect(log.filter((line) => line.includes("a handler failed"))).toEqual([]);
  });

  test("has no deadline and no abort when the caller set none", async () => {
    let context: HandlerContext | undefined;
    const { client } = await startServing({
      getQuote(request, ours) {
        context = ours;
        expect(ours.deadlineMs).toBe(Number.POSITIVE_INFINITY);
        expect(ours.signal.aborted).toBe(false);
        return quiet.getQuote(request, ours);
      },
    });
    expect((await client.unary(getQuote, { quoteId: "q1" })).code).toBe(status.OK);
    expect(context?.requestId).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("a server stream", () => {
  test("carries messages in order, then the trailers", async () => {
    const { client } = await startServing({
      async *watchQuotes(_request, context) {
        for (let i = 0; i < 100; i++) yield create(WatchQuotesResponseSchema, { position: `${i}` });
        context.setTrailer("x-end", "yes");
        return undefined;
      },
    });
    const call = client.serverStream(watchQuotes, {});
    const ended = new Promise<Record<string, unknown>>((resolve) =>
      call.on("status", ({ metadata }) => resolve(metadata.getMap())),
    );
    const positions: string[] = [];
    for await (const message of call) positions.push(message.position);
    expect(positions).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`));
    expect(await ended).toMatchObject({ "x-end": "yes" });
  });

  test("that ends with a refusal gives what came before, then the status", async () => {
    const { client } = await startServing({
      async *watchQuotes() {
        yield create(WatchQuotesResponseSchema, { position: "1" });
        return refuse("unavailable", "enough");
      },
    });
    const call = client.serverStream(watchQuotes, {});
    const positions: string[] = [];
    const failure = await (async () => {
      try {
        for await (const message of call) positions.push(message.position);
      } catch (error) {
        return error;
      }
    })();
    expect(positions).toEqual(["1"]);
    expect(failure).toMatchObject({ code: status.UNAVAILABLE, details: "enough" });
  });

  test("makes no more than the reader takes, and ends its generator when the reader cancels", async () => {
    let made = 0;
    const ended = Promise.withResolvers<void>();
    const { client } = await startServing({
      async *watchQuotes() {
        try {
          for (;;) {
            made++;
            yield create(WatchQuotesResponseSchema, { quote: { text: "x".repeat(10_000) } });
          }
        } finally {
          ended.resolve();
        }
      },
    });
    const call = client.serverStream(watchQuotes, {});
    call.on("error", () => {});
    call.once("data", () => call.pause());
    // The writer stands still when a number of turns brings no more messages.
    let before = -1;
    while (before !== made) {
      before = made;
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(made).toBeLessThan(200);
    call.cancel();
    await ended.promise;
  });
});

describe("a client stream", () => {
  const { recordViews } = QuoteCommandService.method;
  const batch = (sequence: bigint) => ({ producerId: "p", sequence, views: [{ quoteId: "q", count: 1n }] });

  test("reaches the handler in order", async () => {
    const { client } = await startServing(
      {},
      {
        async recordViews(requests) {
          let lastSequence = 0n;
          for await (const { sequence } of requests) {
            if (sequence !== lastSequence + 1n) return refuse("failed-precondition", "order");
            lastSequence = sequence;
          }
          return create(RecordViewsResponseSchema, { lastSequence });
        },
      },
    );
    const batches = Array.from({ length: 50 }, (_, i) => batch(BigInt(i + 1)));
    expect((await client.clientStream(recordViews, batches)).message?.lastSequence).toBe(50n);
  });

  test("with a message that breaks a rule is refused with its number and field", async () => {
    const { client } = await startServing(
      {},
      {
        async recordViews(requests) {
          for await (const _ of requests);
          return create(RecordViewsResponseSchema);
        },
      },
    );
    const bad = { ...batch(2n), views: [{ quoteId: "q", count: 0n }] };
    const reply = await client.clientStream(recordViews, [batch(1n), bad]);
    expect(reply.code).toBe(status.INVALID_ARGUMENT);
    expect(reply.details).toMatch(/^message 2 of the stream: views\[0\]\.count: must be greater than or equal to 1/);
  });

  test("may be refused before it has ended", async () => {
    const { client } = await startServing(
      {},
      {
        async recordViews(requests) {
          for await (const _ of requests) return refuse("failed-precondition", "expected 7");
          return refuse("invalid", "empty");
        },
      },
    );
    const reply = await client.clientStream(recordViews, [batch(1n), batch(2n), batch(3n)]);
    expect([reply.code, reply.details]).toEqual([status.FAILED_PRECONDITION, "expected 7"]);
  });
});

test.each(["v1", "v1alpha"])(
  "reflection %s lists all services and answers many questions on one stream",
  async (version) => {
    const { client } = await startServing();
    const { serverReflectionInfo } = ServerReflection.method;
    const parent = { ...ServerReflection, typeName: `grpc.reflection.${version}.ServerReflection` };
    const answers = await client.bidi({ ...serverReflectionInfo, parent }, [
      { messageRequest: { case: "listServices", value: "" } },
      { messageRequest: { case: "fileContainingSymbol", value: "quoter.command.v1.QuoteCommandService" } },
      { messageRequest: { case: "fileByFilename", value: "no.proto" } },
    ]);
    expect(answers.map(({ messageResponse }) => messageResponse.case)).toEqual([
      "listServicesResponse",
      "fileDescriptorResponse",
      "errorResponse",
    ]);
    const listed = answers[0]?.messageResponse;
    expect(listed?.case === "listServicesResponse" && listed.value.service.map(({ name }) => name)).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "quoter.command.v1.QuoteCommandService",
      "quoter.query.v1.QuoteQueryService",
    ]);
  },
);

test("a taken port is one clear sentence", async () => {
  const { serving } = await startServing();
  const again = serve({
    listen: { host: "127.0.0.1", port: serving.port },
    services: [],
    health: async () => ({ ok: true, detail: "" }),
    headers: {},
    log: jsonLog("test", "error", () => {}),
    tracing: undefined,
    drainGraceMs: 0,
  });
  await expect(again).rejects.toThrow(new RegExp(`^cannot listen on 127.0.0.1:${serving.port}: .*EADDRINUSE`));
});
