import { expect, test } from "vitest";
import { ConsulRefused } from "../../sidecar/discovery/consul/consul-client.ts";
import { fieldChanges } from "./entry-fields.ts";
import { problemOfRefusal } from "./refusals.ts";

test("an entry as Consul gives it back does not differ from the one that was written", () => {
  const written = {
    Kind: "service-router",
    Name: "a",
    Routes: [{ Match: { HTTP: { Methods: ["post"] } }, Destination: { RequestTimeout: "90s", NumRetries: 0 } }],
  };
  const back = {
    ...{ Kind: "service-router", Name: "a", Partition: "default", Namespace: "default", MeshGateway: {} },
    ...{ Routes: [{ Match: { HTTP: { Methods: ["POST"] } }, Destination: { RequestTimeout: "1m30s" } }] },
    ...{ CreateIndex: 5, ModifyIndex: 7, Hash: 1 },
  };
  expect(fieldChanges(back, written)).toEqual([]);
});

test("each field that differs is told with its path and both values", () => {
  const there = { Splits: [{ Weight: 90, ServiceSubset: "v1" }, { ServiceSubset: "v2" }] };
  const wanted = { Splits: [{ Weight: 50, ServiceSubset: "v1" }] };
  expect(fieldChanges(there, wanted)).toEqual([
    { path: "Splits[0].Weight", before: "90", after: "50" },
    { path: "Splits[1]", before: "{}", after: "nothing" },
    { path: "Splits[1].ServiceSubset", before: '"v2"', after: "nothing" },
  ]);
});

test("what Consul refuses becomes a problem with file, path and what to do; unknown words are passed on", () => {
  const entry = { Kind: "service-splitter" as const, Name: "a", Splits: [] };
  const refused = (text: string, status = 500) => problemOfRefusal(entry, new ConsulRefused("x", { status, text }));
  expect(refused("the sum of all split weights must be 100, not 90.000000")).toMatchObject({
    ...{ file: "service-splitter/a.json", path: "Splits", expected: "weights that sum to 100", found: "90" },
  });
  expect(refused('discovery chain "a" uses a protocol "tcp" that does not permit advanced routing')).toMatchObject({
    suggestion: 'write service-defaults with "Protocol": "grpc" for it',
  });
  expect(refused("something new")).toMatchObject({ found: "something new" });
  expect(refused("Permission denied: lacks service:write", 403).suggestion).toContain("CONSUL_HTTP_TOKEN");
});
