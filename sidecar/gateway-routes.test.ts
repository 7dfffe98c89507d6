import { expect, test } from "vitest";
import { TestingClock } from "../common/testing-clock.ts";
import type { Registry } from "./discovery/registry.ts";
import { rememberedMs } from "./edge/departed-services.ts";
import { GatewayRoutes } from "./gateway-routes.ts";
import { compileRouteTable, resolveRoute } from "./routing/route-table.ts";
import { quoterChain, quoterSnapshot } from "./routing/testing-chain.ts";

/** A gateway's routes on a registry whose words the test gives. */
function scene() {
  const clock = new TestingClock();
  let tell: (services: ReadonlyMap<string, readonly string[]>) => void = () => {};
  const registry = {
    watchServices: (onChange) => {
      tell = onChange;
    },
  } as Pick<Registry, "watchServices"> as Registry;
  const routes = new GatewayRoutes({ service: "quoter", descriptors: { known: () => [] }, clock, tell() {} });
  let told = 0;
  const abort = new AbortController();
  routes.watch(registry, () => told++, abort.signal);
  const greeter = {
    ...{ ServiceName: "greeter", Protocol: "grpc", StartNode: "r" },
    Nodes: { r: { Type: "resolver" as const, Name: "greeter", Resolver: { Target: "greeter" } } },
    Targets: { greeter: { ID: "greeter", Service: "greeter" } },
  };
  const isRouted = () => {
    const chain = routes.extend(quoterChain, () => greeter);
    const table = compileRouteTable(quoterSnapshot({ chain, instances: new Map() }));
    return resolveRoute(table, "/helloworld.Greeter/SayHello", [], () => 0)?.route.service === "greeter";
  };
  return { clock, abort, isRouted, told: () => told, tell: (...names: [string, string[]][]) => tell(new Map(names)) };
}

test("a service keeps its routes when its last instance goes, for ten minutes", async () => {
  const { clock, isRouted, told, tell } = scene();
  expect(isRouted()).toBe(false);
  tell(["greeter", ["helloworld.Greeter"]]);
  expect(isRouted()).toBe(true);
  tell();
  expect([isRouted(), told()]).toEqual([true, 2]);
  await clock.advance(rememberedMs - 1);
  expect(isRouted()).toBe(true);
  await clock.advance(1);
  expect([isRouted(), told(), clock.pendingTimers]).toEqual([false, 3, 0]);
});

test("one that is back is there for good, and nothing waits at the end of the gateway", async () => {
  const { clock, abort, isRouted, tell } = scene();
  tell(["greeter", ["helloworld.Greeter"]]);
  tell();
  tell(["greeter", ["helloworld.Greeter"]]);
  expect(clock.pendingTimers).toBe(0);
  await clock.advance(rememberedMs);
  expect(isRouted()).toBe(true);
  tell();
  abort.abort();
  expect(clock.pendingTimers).toBe(0);
});
