import { describe, expect, test } from "vitest";
import { registrationOf } from "../registry.suite.ts";
import { endpointsOf, registrationBody } from "./catalog-entry.ts";

function entry(service: object, ...statuses: string[]) {
  const Service = { ID: "web-1-sidecar-proxy", Port: 21_000, Proxy: { DestinationServiceID: "web-1" }, ...service };
  return { Node: { Address: "10.0.0.9" }, Service, Checks: statuses.map((Status) => ({ Status })) };
}

describe("endpointsOf", () => {
  test("the worst check decides, and a warning has its own weight", () => {
    const Weights = { Passing: 10, Warning: 2 };
    const of = (...statuses: string[]) => endpointsOf([entry({ Weights }, ...statuses)], "web")[0];
    expect(of("passing", "passing")).toMatchObject({ health: "passing", weight: 10 });
    expect(of("passing", "warning")).toMatchObject({ health: "warning", weight: 2 });
    expect(of("warning", "critical")).toMatchObject({ health: "critical", weight: 10 });
  });

  test("the address falls back to the node's, the weight is at most 128, null is absent", () => {
    const weighty = entry({ Weights: { Passing: 500, Warning: 1 }, Meta: null, Tags: null });
    expect(endpointsOf([weighty], "web")).toEqual([
      {
        ...{ id: "web-1", service: "web", version: "", host: "10.0.0.9", port: 21_000 },
        ...{ weight: 128, health: "passing", meta: {} },
        node: { name: "", address: "10.0.0.9", datacenter: "", meta: {} },
      },
    ]);
  });

  test("what subset filters ask for is there: tags and the node, as the catalog has them", () => {
    const Node = { Node: "n1", Address: "10.0.0.9", Datacenter: "dc1", Meta: { rack: "r1" } };
    expect(endpointsOf([{ ...entry({ Tags: ["canary", "ferry-grpc:a.B"] }), Node }], "web")[0]).toMatchObject({
      tags: ["canary", "ferry-grpc:a.B"],
      node: { name: "n1", address: "10.0.0.9", datacenter: "dc1", meta: { rack: "r1" } },
    });
  });

  test("an instance that wants no traffic says so in its meta, because Consul refuses a weight of 0", () => {
    const body = registrationBody({ ...registrationOf("web", "web-1"), weight: 0 }, { health: "passing", note: "" });
    const { Weights, Meta } = body as { Weights: object; Meta: Record<string, string> };
    expect(Weights).toEqual({ Passing: 1, Warning: 1 });
    expect(endpointsOf([entry({ Weights, Meta })], "web")[0]).toMatchObject({ weight: 0, meta: { zone: "a" } });
  });

  test("gRPC services travel as tags and arrive as they were stated", () => {
    const meta = { ferry_grpc_services: "a.B,c.D" };
    const body = registrationBody({ ...registrationOf("web", "web-1"), meta }, { health: "passing", note: "" });
    const { Tags, Meta } = body as { Tags: string[]; Meta: Record<string, string> };
    expect(Tags).toEqual(["ferry-grpc:a.B", "ferry-grpc:c.D"]);
    expect(Meta.ferry_grpc_services).toBeUndefined();
    expect(endpointsOf([entry({ Tags, Meta })], "web")[0]?.meta.ferry_grpc_services).toBe("a.B,c.D");
  });
});
