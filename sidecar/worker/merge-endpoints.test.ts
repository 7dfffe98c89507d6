import { expect, test } from "vitest";
import type { AdminEndpoint } from "../admin/admin-source.ts";
import { mergeEndpoints } from "./merge-endpoints.ts";

const endpoint = (instanceId: string, admission: string, active: number): AdminEndpoint => ({
  ...{ upstream: "u", target: "t", instanceId, address: "127.0.0.1:1", version: "", health: "passing" },
  ...{ admission, active },
});

test("calls under way add up, and the worst that a worker thinks of an endpoint is shown", () => {
  const merged = mergeEndpoints([
    [endpoint("a", "admitted", 1), endpoint("b", "ejected", 0), endpoint("c", "admitted; ejected for /a.B/C", 2)],
    [endpoint("a", "probing", 2), endpoint("b", "admitted", 3), endpoint("c", "admitted", 0)],
    [endpoint("a", "admitted", 4)],
  ]);
  expect(merged.map(({ instanceId, admission, active }) => [instanceId, admission, active])).toEqual([
    ["a", "probing", 7],
    ["b", "ejected", 3],
    ["c", "admitted; ejected for /a.B/C", 2],
  ]);
});
