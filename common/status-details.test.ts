import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyIs, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../gen/google/rpc/status_pb.ts";
import { decodeStatusDetails, encodeStatusDetails } from "./status-details.ts";

const example = {
  code: 14,
  message: "quote-query: no healthy instance — Größe 0",
  errorInfo: { reason: "NO_ENDPOINT", domain: "ferry", metadata: { where: "gateway", attempts: "1" } },
};

describe("grpc-status-details-bin", () => {
  test("is what generated google.rpc code reads", () => {
    const encoded = encodeStatusDetails(example);
    expect(encoded).toMatch(/^[A-Za-z0-9+/]+$/);
    const status = fromBinary(StatusSchema, Buffer.from(encoded, "base64"));
    expect(status).toMatchObject({ code: 14, message: example.message });
    expect(anyUnpack(status.details[0]!, ErrorInfoSchema)).toMatchObject(example.errorInfo);
  });

  test("of others is read, padded or not, details that are not ErrorInfo skipped", () => {
    const retry = anyPack(RetryInfoSchema, create(RetryInfoSchema));
    const info = anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason: "R", domain: "d", metadata: { a: "" } }));
    const status = create(StatusSchema, { code: 3, message: "m", details: [retry, info] });
    const value = Buffer.from(toBinary(StatusSchema, status)).toString("base64");
    const expected = { code: 3, message: "m", errorInfo: { reason: "R", domain: "d", metadata: { a: "" } } };
    expect(decodeStatusDetails(value)).toEqual(expected);
    expect(decodeStatusDetails(value.replace(/=+$/, ""))).toEqual(expected);
    expect(anyIs(retry, RetryInfoSchema)).toBe(true);
  });

  test("any details come back", () => {
    const words = fc.string({ unit: "grapheme" });
    const errorInfo = fc.record({ reason: words, domain: words, metadata: fc.dictionary(words, words) });
    fc.assert(
      fc.property(fc.nat(16), words, fc.option(errorInfo, { nil: undefined }), (code, message, info) => {
        const decoded = decodeStatusDetails(encodeStatusDetails({ code, message, errorInfo: info }))!;
        expect(decoded.code).toBe(code);
        expect(decoded.message).toBe(message);
        expect(decoded.errorInfo?.reason).toBe(info?.reason);
        expect(Object.entries(decoded.errorInfo?.metadata ?? {})).toEqual(Object.entries(info?.metadata ?? {}));
      }),
    );
  });

  test("what is not a google.rpc.Status is undefined, not an error", () => {
    expect(decodeStatusDetails("EgU")).toBeUndefined();
    expect(decodeStatusDetails("//")).toBeUndefined();
  });
});
