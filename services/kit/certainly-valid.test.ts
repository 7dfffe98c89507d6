import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  LikeQuoteRequestSchema,
  RecordViewsRequestSchema,
  SubmitQuoteRequestSchema,
} from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { ListQuotesRequestSchema } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { type Ranking, TopQuotesRequestSchema } from "../../gen/quoter/query/v2/quote_query_service_pb.ts";
import { certainlyValid } from "./certainly-valid.ts";
import { judge } from "./validate.ts";

const validator = createValidator();
const isCertain = certainlyValid();

/** What both say: certain implies valid. */
function agree(schema: DescMessage, message: Message): void {
  const refusal = judge(validator, schema, message);
  if (isCertain(schema, message)) expect(refusal).toBeUndefined();
}

const text = (maxLength: number) => fc.oneof(fc.string({ maxLength }), fc.string({ unit: "grapheme", maxLength }));
const id = fc.oneof(fc.stringMatching(/^[A-Za-z0-9._:-]{0,130}$/), text(10));

describe("what is certainly valid", () => {
  test("protovalidate calls valid too: strings", () => {
    fc.assert(
      fc.property(id, text(1200), text(210), (commandId, quote, author) => {
        agree(SubmitQuoteRequestSchema, create(SubmitQuoteRequestSchema, { commandId, text: quote, author }));
        agree(LikeQuoteRequestSchema, create(LikeQuoteRequestSchema, { commandId, quoteId: author }));
      }),
    );
  });

  test("protovalidate calls valid too: numbers, enums, lists and what is inside them", () => {
    const near = fc.constantFrom(-1, 0, 1, 2, 100, 101, 1000, 1001, 1_000_000, 1_000_001);
    fc.assert(
      fc.property(near, near, id, fc.array(fc.tuple(id, near), { maxLength: 3 }), (a, b, producerId, views) => {
        agree(ListQuotesRequestSchema, create(ListQuotesRequestSchema, { pageSize: a }));
        agree(TopQuotesRequestSchema, create(TopQuotesRequestSchema, { limit: a, ranking: b as Ranking }));
        const entries = views.map(([quoteId, count]) => ({ quoteId, count: BigInt(count) }));
        const batch = { producerId, sequence: BigInt(a), views: entries };
        agree(RecordViewsRequestSchema, create(RecordViewsRequestSchema, batch));
      }),
    );
  });

  test("covers all of our requests that keep their rules, so that protovalidate is not loaded for them", () => {
    const valid: [DescMessage, Message][] = [
      [SubmitQuoteRequestSchema, create(SubmitQuoteRequestSchema, { commandId: "a-1", text: "t", author: "é" })],
      [ListQuotesRequestSchema, create(ListQuotesRequestSchema, { pageSize: 1000 })],
      [TopQuotesRequestSchema, create(TopQuotesRequestSchema, { limit: 100, ranking: 2 })],
      [
        RecordViewsRequestSchema,
        create(RecordViewsRequestSchema, {
          producerId: "p",
          sequence: 1n,
          views: [{ quoteId: "q", count: 1_000_000n }],
        }),
      ],
    ];
    for (const [schema, message] of valid) expect(isCertain(schema, message)).toBe(true);
  });

  test("excludes a list that is too short or too long, and an entry that breaks a rule", () => {
    const views = (count: number, each: bigint) =>
      create(RecordViewsRequestSchema, {
        producerId: "p",
        sequence: 1n,
        views: Array.from({ length: count }, () => ({ quoteId: "q", count: each })),
      });
    expect(isCertain(RecordViewsRequestSchema, views(0, 1n))).toBe(false);
    expect(isCertain(RecordViewsRequestSchema, views(1000, 1n))).toBe(true);
    expect(isCertain(RecordViewsRequestSchema, views(1001, 1n))).toBe(false);
    expect(isCertain(RecordViewsRequestSchema, views(1, 0n))).toBe(false);
  });
});
