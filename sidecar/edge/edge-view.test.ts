import { describe, expect, test } from "vitest";
import type { KnownDescriptors } from "../descriptors/descriptor-source.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { compileSnapshot } from "../routing/compile-snapshot.ts";
import type { DiscoveryChain } from "../routing/discovery-chain.ts";
import { compileRouteTable, type RouteTable } from "../routing/route-table.ts";
import { EdgeView } from "./edge-view.ts";

/** `/a.` goes to service a, `/x.X/Only` to x, everything else to the virtual service itself, which has no instance. */
const chain: DiscoveryChain = {
  ServiceName: "edge",
  Protocol: "grpc",
  StartNode: "router:edge",
  Nodes: {
    "router:edge": {
      Type: "router",
      Name: "edge",
      Routes: [
        { Definition: { Match: { HTTP: { PathPrefix: "/a." } } }, NextNode: "resolver:a" },
        { Definition: { Match: { HTTP: { PathExact: "/x.X/Only" } } }, NextNode: "resolver:x" },
        { Definition: { Match: { HTTP: { PathPrefix: "/" } } }, NextNode: "resolver:edge" },
      ],
    },
    "resolver:a": { Type: "resolver", Name: "a", Resolver: { Target: "a" } },
    "resolver:x": { Type: "resolver", Name: "x", Resolver: { Target: "x" } },
    "resolver:edge": { Type: "resolver", Name: "edge", Resolver: { Target: "edge" } },
  },
  Targets: {
    a: { ID: "a", Service: "a" },
    x: { ID: "x", Service: "x" },
    edge: { ID: "edge", Service: "edge" },
  },
};

function table(instances: readonly Endpoint[]): RouteTable {
  const byService = new Map(["a", "x", "edge"].map((name) => [name, instances.filter((it) => it.service === name)]));
  return compileRouteTable(
    compileSnapshot({ upstream: "edge", revision: 1, chain, instances: byService, methods: {} }),
  );
}

function instance(service: string, health: Endpoint["health"]): Endpoint {
  return { id: service, service, version: "v1", host: "127.0.0.1", port: 1, weight: 1, health, meta: {} };
}

function known(service: string, grpcServices: string[]): KnownDescriptors {
  return { service, version: "v1", grpcServices, methods: {}, files: [Buffer.from(service)] };
}

class Scene {
  current: RouteTable | undefined = table([instance("a", "passing")]);
  descriptors: readonly KnownDescriptors[] = [];
  registered = new Map<string, readonly string[]>();
  readonly view = new EdgeView({
    table: () => this.current,
    descriptors: { known: () => this.descriptors },
    grpcServices: () => this.registered,
    isReady: () => this.current !== undefined,
  });
}

describe("what the gateway answers from", () => {
  test("a registered service is served while its route has a healthy endpoint", () => {
    const scene = new Scene();
    scene.registered.set("a", ["a.A", "lost.Service"]);
    expect(scene.view.isServing("a.A")).toBe(true);
    scene.current = table([instance("a", "critical")]);
    scene.view.changed();
    expect(scene.view.isServing("a.A")).toBe(false);
    expect(scene.view.services()).toEqual(["a.A"]);
  });

  test("a service that only the router's last resort would take is not routed", () => {
    const scene = new Scene();
    scene.registered.set("a", ["lost.Service"]);
    expect(scene.view.isServing("lost.Service")).toBeUndefined();
    expect(scene.view.isServing("never.Heard")).toBeUndefined();
  });

  test("files are those of versions whose services are routed to them", () => {
    const scene = new Scene();
    scene.descriptors = [known("a", ["a.A", "lost.Service"]), known("b", ["a.A", "b.B"])];
    expect(scene.view.reachable()).toEqual([{ services: ["a.A"], files: [Buffer.from("a")] }]);
    expect(scene.view.reachable()).toBe(scene.view.reachable());
  });

  test("an image's files count for every service that is routed to one, not for the last resort", () => {
    const scene = new Scene();
    scene.descriptors = [known("", ["a.A", "b.B"])];
    expect(scene.view.services()).toEqual(["a.A"]);
    expect(scene.view.isServing("b.B")).toBeUndefined();
  });

  test("nothing is routed before the first snapshot, and who watches is told of each change", () => {
    const scene = new Scene();
    scene.current = undefined;
    scene.registered.set("a", ["a.A"]);
    let told = 0;
    const stop = scene.view.onChange(() => told++);
    expect(scene.view.isReady()).toBe(false);
    expect(scene.view.isServing("a.A")).toBeUndefined();
    scene.current = table([instance("a", "passing")]);
    scene.view.changed();
    expect(scene.view.isServing("a.A")).toBe(true);
    stop();
    scene.view.changed();
    expect(told).toBe(1);
  });
});
