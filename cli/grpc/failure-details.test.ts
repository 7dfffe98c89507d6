import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { attemptsOf, failureDetails } from "./failure-details.ts";

const none = new Metadata();

test("a reply made by Ferry tells its failure kind and its ErrorInfo", () => {
  const info = create(ErrorInfoSchema, { reason: "NO_ENDPOINT", domain: "ferry", metadata: { attempts: "1" } });
  const details = toBinary(StatusSchema, create(StatusSchema, { code: 14, details: [anyPack(ErrorInfoSchema, info)] }));
  const trailers = new Metadata();
  trailers.set("x-ferry-failure", "no_endpoint");
  trailers.set("grpc-status-details-bin", Buffer.from(details));
  expect(failureDetails(none, trailers)).toEqual({
    failure: "no_endpoint",
    errorInfo: { reason: "NO_ENDPOINT", domain: "ferry", metadata: { attempts: "1" } },
  });
});

test("a reply without them, or with details that are not well-formed, tells nothing", () => {
  const trailers = new Metadata();
  trailers.set("grpc-status-details-bin", Buffer.from([0xff, 0xff]));
  expect(failureDetails(none, none)).toEqual({ failure: undefined, errorInfo: undefined });
  expect(failureDetails(none, trailers)).toEqual({ failure: undefined, errorInfo: undefined });
});

test("attempts are 1 unless the mesh says more", () => {
  const headers = new Metadata();
  expect(attemptsOf(headers, none)).toBe(1);
  headers.set("x-ferry-attempts", "2");
  expect(attemptsOf(headers, none)).toBe(2);
  headers.set("x-ferry-attempts", "many");
  expect(attemptsOf(headers, none)).toBe(1);
});
