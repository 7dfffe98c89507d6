import { expect, test } from "vitest";
import { type FailureKind, failures } from "../failure.ts";
import { Status } from "../grpc/status.ts";
import { endpointVerdict, methodVerdict, type Verdict } from "./ejection-verdict.ts";

/** How a try ends that the kind stands for. */
function ended(failure: FailureKind) {
  return { status: failures[failure].status, httpStatus: 0, failure };
}

test("an application's own answer is judged by its status, whether in header or trailers", () => {
  const verdicts = Object.values(Status).map((status) => [
    status,
    methodVerdict({ status, httpStatus: 200, failure: undefined }),
  ]);
  const of = (wanted: Verdict) => verdicts.filter(([, verdict]) => verdict === wanted).map(([status]) => status);
  expect(of("failure")).toEqual([
    Status.UNKNOWN,
    Status.DEADLINE_EXCEEDED,
    Status.INTERNAL,
    Status.UNAVAILABLE,
    Status.DATA_LOSS,
  ]);
  expect(of("overload")).toEqual([Status.RESOURCE_EXHAUSTED]);
  expect(of("neutral")).toEqual([Status.CANCELLED]);
  expect(of("silence")).toEqual([]);
});

test("whatever an application answers proves that its endpoint is there", () => {
  for (const status of Object.values(Status)) {
    expect(endpointVerdict({ status, httpStatus: 200, failure: undefined })).toBe("success");
  }
});

test("what never got through concerns the endpoint and not the method", () => {
  for (const kind of ["connect_failed", "connect_timeout", "connection_lost"] as const) {
    expect([kind, endpointVerdict(ended(kind)), methodVerdict(ended(kind))]).toEqual([kind, "failure", "neutral"]);
  }
});

test("a deadline is the method's failure; without a header it also fails the endpoint's probe", () => {
  const silent = ended("deadline_exceeded");
  expect([methodVerdict(silent), endpointVerdict(silent)]).toEqual(["failure", "silence"]);
  const begun = { ...silent, httpStatus: 200 };
  expect([methodVerdict(begun), endpointVerdict(begun)]).toEqual(["failure", "success"]);
});

test("what the caller, the configuration or another try did says nothing", () => {
  const kinds: FailureKind[] = ["cancelled", "superseded", "bad_request", "header_too_large", "no_route", "refused"];
  for (const kind of kinds) {
    expect([kind, methodVerdict(ended(kind)), endpointVerdict(ended(kind))]).toEqual([kind, "neutral", "neutral"]);
  }
});

test("a sidecar that sheds is overloaded, a caller that used up its rate is not its fault", () => {
  expect(methodVerdict(ended("overloaded"))).toBe("overload");
  expect(methodVerdict(ended("upstream_overloaded"))).toBe("overload");
  expect(methodVerdict(ended("rate_limited"))).toBe("neutral");
});

test("an endpoint that resets calls, even with CANCEL, has failed them", () => {
  for (const kind of ["reset_by_upstream", "cancelled_by_upstream", "upstream_protocol"] as const) {
    expect([kind, methodVerdict(ended(kind))]).toEqual([kind, "failure"]);
  }
});
