import { expect, test } from "vitest";
import { findTroubles, type InstanceStatus, type MeshStatus } from "./mesh-status.ts";

const instance: InstanceStatus = {
  ...{ id: "a-1", version: "v1", pid: 1, sidecarPid: 2, inbound: "127.0.0.1:1", health: "passing", note: "" },
};
const healthy: MeshStatus = {
  registry: { name: "directory /x", trouble: "" },
  services: [{ name: "a", instances: [instance] }],
  readModels: [{ name: "m", position: "1", head: "1", lagMs: 0 }],
  silentModels: [],
  config: { hash: "0123", rejected: [] },
  gateway: { address: "127.0.0.1:8080", admin: "127.0.0.1:2", health: "SERVING" },
};

test("a mesh in which all is as it should be has no troubles, with or without a gateway", () => {
  expect(findTroubles(healthy)).toEqual([]);
  expect(findTroubles({ ...healthy, gateway: undefined })).toEqual([]);
});

test.each<[string, Partial<MeshStatus>]>([
  ["no instance is registered", { services: [] }],
  [
    "a-1 is critical: connection refused",
    { services: [{ name: "a", instances: [{ ...instance, health: "critical", note: "connection refused" }] }] },
  ],
  ["a-1 is absent", { services: [{ name: "a", instances: [{ ...instance, health: "absent" }] }] }],
  ["read model m is 5001 ms behind the log", { readModels: [{ name: "m", position: "1", head: "9", lagMs: 5001 }] }],
  [
    "consul at x: connection refused; calls go on with what the sidecars knew last",
    {
      registry: { name: "consul at x", trouble: "consul at x: connection refused" },
      services: [{ name: "a", instances: [{ ...instance, health: "unknown" }] }],
      config: { hash: "", rejected: [] },
    },
  ],
  [
    "Consul has lost its configuration; what it had stays in force: run `ferry apply` to write it again",
    { config: { hash: "consul (what it had before it lost its state)", rejected: [] } },
  ],
  ["a-1 tells nothing", { silentModels: ["a-1 tells nothing"] }],
  [
    "the gateway at 127.0.0.1:8080 is NOT_SERVING",
    { gateway: { address: "127.0.0.1:8080", admin: "", health: "NOT_SERVING" } },
  ],
  ["the sidecars do not have the same mesh configuration in force", { config: { hash: "", rejected: [] } }],
  [
    "refused f.json at Splits: expected 100, found 101; did you mean 100?",
    {
      config: {
        hash: "1",
        rejected: [{ file: "f.json", path: "Splits", expected: "100", found: "101", suggestion: "100" }],
      },
    },
  ],
])("%s", (trouble, change) => {
  expect(findTroubles({ ...healthy, ...change })).toEqual([trouble]);
});
