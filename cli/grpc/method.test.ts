import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { file_google_protobuf_timestamp } from "@bufbuild/protobuf/wkt";
import { afterEach, describe, expect, test } from "vitest";
import { file_buf_validate_validate } from "../../gen/buf/validate/validate_pb.ts";
import {
  file_quoter_command_v1_quote_command_service as commandFile,
  SubmitQuoteRequestSchema,
  SubmitQuoteResponseSchema,
} from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import * as query from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { findMethod } from "./method.ts";
import { openClient } from "./raw-call.ts";
import { Reflection } from "./reflect.ts";
import { reflectionServer } from "./testing/reflection-server.ts";

const validate = file_buf_validate_validate;
const files = [commandFile, query.file_quoter_query_v1_quote_query_service, validate, file_google_protobuf_timestamp];
const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

async function find(name: string, version: "v1" | "v1alpha" | "none" = "v1", served = files) {
  const server = await reflectionServer(version, served);
  const client = openClient(server.address);
  cleanUps.push(server.close, () => client.close());
  return findMethod(new Reflection(client, "here:1", 2000), "here:1", name);
}

const submit = "quoter.command.v1.QuoteCommandService/SubmitQuote";

describe("a method found by reflection", () => {
  test.each(["v1", "v1alpha"] as const)(
    "in %s is called with JSON, files being asked for one by one",
    async (version) => {
      const method = await find(submit, version);
      expect(method).toMatchObject({
        path: `/${submit}`,
        isRequestStream: false,
        isResponseStream: false,
      });
      const request = fromBinary(
        SubmitQuoteRequestSchema,
        method.encode({ text: "t", author: "a", command_id: "mine" }),
      );
      expect(request).toMatchObject({ commandId: "mine", text: "t", author: "a" });
    },
  );

  test("needs no well-known files from the server", async () => {
    const method = await find("quoter.query.v1.QuoteQueryService/GetQuote", "v1", files.slice(0, 3));
    expect(method.decode(new Uint8Array())).toEqual({});
  });

  test("fills an empty command id with a new UUID for every request", async () => {
    const method = await find(submit);
    const ids = [1, 2].map(() => fromBinary(SubmitQuoteRequestSchema, method.encode({ text: "t" })).commandId);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    expect(ids[1]).not.toBe(ids[0]);
  });

  test("refuses JSON that does not fit, naming the field", async () => {
    const method = await find(submit);
    expect(() => method.encode({ texd: "t" })).toThrow(/SubmitQuoteRequest.*"texd"/);
  });

  test("has JSON names although the server left them out", async () => {
    const method = await find(submit);
    const reply = toBinary(
      SubmitQuoteResponseSchema,
      create(SubmitQuoteResponseSchema, { quoteId: "q1", position: "7" }),
    );
    expect(method.decode(reply)).toEqual({ quoteId: "q1", position: "7" });
  });

  test("knows streams", async () => {
    const watch = await find("quoter.query.v1.QuoteQueryService/WatchQuotes");
    expect([watch.isRequestStream, watch.isResponseStream]).toEqual([false, true]);
    const views = await find("quoter.command.v1.QuoteCommandService.RecordViews");
    expect([views.isRequestStream, views.isResponseStream]).toEqual([true, false]);
  });
});

describe("what is not there is told", () => {
  test.each([
    ["quoter.command.v1.QuoteCommandServic/SubmitQuote", "did you mean quoter.command.v1.QuoteCommandService?"],
    ["a.B/C", "it has quoter.command.v1.QuoteCommandService, quoter.query.v1.QuoteQueryService"],
    ["quoter.command.v1.QuoteCommandService/SubmitQuot", "has no method SubmitQuot; did you mean SubmitQuote?"],
    ["quoter.command.v1.QuoteCommandService/Nothing", "it has SubmitQuote, LikeQuote, RetractQuote, RecordViews"],
  ])("%s", async (name, sentence) => {
    await expect(find(name)).rejects.toThrow(sentence);
  });

  test("a server without reflection", async () => {
    await expect(find(submit, "none")).rejects.toThrow("here:1: the server has no reflection");
  });
});
