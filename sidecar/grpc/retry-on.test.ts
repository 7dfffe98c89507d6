import { expect, test } from "vitest";
import { parseRetryOn } from "./retry-on.ts";

test("gRPC's words are its statuses", () => {
  const words = ["cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"];
  expect(parseRetryOn(words)).toEqual({ statuses: [1, 4, 13, 8, 14], httpStatuses: [] });
});

test("words about HTTP map to gRPC's table and to codes", () => {
  expect(parseRetryOn(["gateway-error", "unavailable"])).toEqual({ statuses: [14], httpStatuses: [502, 503, 504] });
  const all = parseRetryOn(["5xx"]);
  expect(all.statuses).toEqual([14, 13, 2]);
  expect([all.httpStatuses[0], all.httpStatuses.at(-1)]).toEqual([500, 599]);
});

test("words about what never ran or broke off name no status, and neither do words without a meaning here", () => {
  for (const word of ["connect-failure", "refused-stream", "reset", "retriable-4xx", "envoy-ratelimited"]) {
    expect(parseRetryOn([word])).toEqual({ statuses: [], httpStatuses: [] });
  }
});
