import { describe, expect, test } from "vitest";
import type { ReplyEnd } from "../call.ts";
import { ErrorCode, type Initiator, StreamError } from "../http2/error-code.ts";
import { HeaderField, type HeaderFields } from "../http2/header-field.ts";
import { classify, statusOfHttp, statusOfStreamError } from "./classify.ts";
import { Status } from "./status.ts";

function fields(record: Record<string, string>): HeaderFields {
  return Object.entries(record).map(([name, value]) => new HeaderField(name, value));
}

function ended(trailers?: Record<string, string>): ReplyEnd {
  return { trailers: trailers === undefined ? undefined : fields(trailers), error: undefined };
}

function broken(code: ErrorCode, initiator: Initiator, neverProcessed = false): ReplyEnd {
  return { trailers: undefined, error: new StreamError(code, initiator, "it broke", neverProcessed) };
}

const head = fields({ ":status": "200", "content-type": "application/grpc" });

describe("a gRPC reply's outcome", () => {
  test("is what its trailers say, whatever its header promised", () => {
    expect(classify(head, ended({ "grpc-status": "0" }), true)).toEqual({
      status: 0,
      httpStatus: 200,
      failure: undefined,
    });
    expect(classify(head, ended({ "grpc-status": "14", "grpc-message": "no" }), true)).toMatchObject({
      status: Status.UNAVAILABLE,
    });
    const lying = fields({ ":status": "200", "grpc-status": "0" });
    expect(classify(lying, ended({ "grpc-status": "13" }), true).status).toBe(Status.INTERNAL);
  });

  test("says what the upstream asks of who would try again, unless all went well", () => {
    const asked = (value: string, status = "14") => {
      const inTrailers = classify(head, ended({ "grpc-status": status, "grpc-retry-pushback-ms": value }));
      const only = fields({ ":status": "200", "grpc-status": status, "grpc-retry-pushback-ms": value });
      expect(classify(only, ended())).toEqual(inTrailers);
      return inTrailers.pushbackMs;
    };
    expect(["0", "1500", "2147483647"].map((value) => asked(value))).toEqual([0, 1_500, 2_147_483_647]);
    for (const value of ["-1", "", "soon", "1.5", "2147483648", "99999999999"]) expect(asked(value)).toBe(-1);
    expect(classify(head, ended({ "grpc-status": "14" })).pushbackMs).toBeUndefined();
    expect(classify(head, ended({ "grpc-status": "0", "grpc-retry-pushback-ms": "5" })).pushbackMs).toBeUndefined();
  });

  test("is in the header when that was all (Trailers-Only)", () => {
    const only = fields({ ":status": "200", "grpc-status": "5" });
    expect(classify(only, ended(), true)).toMatchObject({ status: Status.NOT_FOUND });
  });

  test.each(["", "17", "99", "-1", "00", "1.0", "zero"])("a grpc-status of %j is read as UNKNOWN", (value) => {
    expect(classify(head, ended({ "grpc-status": value }), true).status).toBe(Status.UNKNOWN);
  });

  test("without a status it follows :status, and 200 is no success", () => {
    expect(classify(head, ended(), true)).toMatchObject({ status: Status.UNKNOWN });
    expect(classify(head, ended({ "x-other": "1" }), true).status).toBe(Status.UNKNOWN);
    expect(classify(fields({ ":status": "503" }), ended(), true)).toMatchObject({
      status: Status.UNAVAILABLE,
      httpStatus: 503,
    });
  });

  test("a reset after the header is the reset's status", () => {
    expect(classify(head, broken(ErrorCode.CANCEL, "peer"), true)).toMatchObject({
      status: Status.CANCELLED,
      httpStatus: 200,
    });
    expect(classify(head, broken(ErrorCode.NO_ERROR, "connection"), true).status).toBe(Status.UNAVAILABLE);
  });

  test("names the failure that Ferry itself put into the header or the trailers, and no other", () => {
    const made = fields({ ":status": "200", "grpc-status": "14", "x-ferry-failure": "no_endpoint" });
    expect(classify(made, ended(), true).failure).toBe("no_endpoint");
    const late = { "grpc-status": "4", "x-ferry-failure": "deadline_exceeded" };
    expect(classify(head, ended(late), true).failure).toBe("deadline_exceeded");
    const odd = fields({ ":status": "200", "grpc-status": "14", "x-ferry-failure": "toString" });
    expect(classify(odd, ended(), true).failure).toBeUndefined();
  });
});

describe("a plain HTTP reply's outcome", () => {
  test.each([
    ["200", Status.OK],
    ["304", Status.OK],
    ["404", Status.UNIMPLEMENTED],
    ["503", Status.UNAVAILABLE],
    ["500", Status.UNKNOWN],
    ["odd", Status.UNKNOWN],
  ])(":status %s", (value, status) => {
    expect(classify(fields({ ":status": value }), ended(), false)).toMatchObject({ status });
  });
});

describe("the mapping tables", () => {
  test("HTTP status to gRPC", () => {
    const table = [400, 401, 403, 404, 429, 431, 502, 503, 504, 200, 418, 500].map((code) => statusOfHttp(code));
    expect(table).toEqual([13, 16, 7, 12, 14, 13, 14, 14, 14, 2, 2, 2]);
  });

  test("RST_STREAM code to gRPC", () => {
    const table = Object.values(ErrorCode).map((code) => statusOfStreamError(new StreamError(code, "peer", "")));
    expect(table).toEqual([13, 13, 13, 13, 13, 13, 13, 14, 1, 13, 13, 8, 7, 13]);
  });
});
