import { describe, expect, test } from "vitest";
import { decodeStatusDetails } from "../../common/status-details.ts";
import type { Outcome, Reply } from "../call.ts";
import { type FailureKind, failures, ProxyFailure } from "../failure.ts";
import { fieldValue, HeaderField } from "../http2/header-field.ts";
import { classify } from "./classify.ts";
import { failureReply, failureTrailers } from "./failure-reply.ts";
import { decodeGrpcMessage } from "./percent.ts";

function outcomeOf(reply: Reply): Outcome {
  let outcome: Outcome | undefined;
  reply.onEnd((it) => {
    outcome = it;
  });
  return outcome!;
}

function textOf(reply: Reply): string {
  let text = "";
  reply.body.attach({ data: (chunk) => (text += chunk.toString()), trailers() {}, abort() {} });
  return text;
}

describe("a failure's reply to gRPC", () => {
  test("is one header block that carries status, message, kind and details", () => {
    const failure = new ProxyFailure("no_endpoint", "gateway", "quote-query: 0 of 2 instances are healthy — 100 %");
    failure.attempts = 2;
    const reply = failureReply(failure, true);
    expect(reply.endsWithHead).toBe(true);
    expect(reply.fields[0]).toMatchObject({ name: ":status", value: "200" });
    expect(fieldValue(reply.fields, "content-type")).toBe("application/grpc");
    expect(fieldValue(reply.fields, "grpc-status")).toBe("14");
    expect(decodeGrpcMessage(fieldValue(reply.fields, "grpc-message")!)).toBe(failure.message);
    expect(decodeStatusDetails(fieldValue(reply.fields, "grpc-status-details-bin")!)).toEqual({
      code: 14,
      message: failure.message,
      errorInfo: { reason: "NO_ENDPOINT", domain: "ferry", metadata: { where: "gateway", attempts: "2" } },
    });
  });

  test.each(Object.keys(failures) as FailureKind[])("%s is classified as what the table says", (kind) => {
    const failure = new ProxyFailure(kind, "", "it failed");
    const reply = failureReply(failure, true);
    const expected = { status: failures[kind].status, httpStatus: 200, failure: kind };
    expect(outcomeOf(reply)).toEqual(expected);
    expect(classify(reply.fields, { trailers: undefined, error: undefined })).toEqual(expected);
    const head = [new HeaderField(":status", "200")];
    expect(classify(head, { trailers: failureTrailers(failure), error: undefined })).toEqual(expected);
  });

  test("stays below 8 KiB however long the failure's text is", () => {
    const reply = failureReply(new ProxyFailure("internal", "ü".repeat(9000), "ü".repeat(9000)), true);
    const size = reply.fields.reduce((sum, field) => sum + field.name.length + field.value.length + 32, 0);
    expect(size).toBeLessThan(8192);
  });
});

describe("a failure's reply to plain HTTP", () => {
  test("is the table's HTTP status with a short text", () => {
    const reply = failureReply(new ProxyFailure("no_route", "gateway", "no route for /x"), false);
    expect(reply.fields[0]).toMatchObject({ name: ":status", value: "404" });
    expect(fieldValue(reply.fields, "content-type")).toBe("text/plain; charset=utf-8");
    expect(fieldValue(reply.fields, "x-ferry-failure")).toBe("no_route");
    const text = `no_route: gateway: no route for /x\n${failures.no_route.sentence}\n`;
    expect(textOf(reply)).toBe(text);
    expect(fieldValue(reply.fields, "content-length")).toBe(String(text.length));
    expect(outcomeOf(reply)).toEqual({ status: 12, httpStatus: 404, failure: "no_route" });
    expect(classify(reply.fields, { trailers: undefined, error: undefined }, false)).toEqual(outcomeOf(reply));
  });

  test("has no body when HEAD asked", () => {
    const reply = failureReply(new ProxyFailure("no_route", "gateway", "no route for /x"), false, true);
    expect(reply.endsWithHead).toBe(true);
    expect(textOf(reply)).toBe("");
  });
});
