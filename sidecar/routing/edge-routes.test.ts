import { describe, expect, test } from "vitest";
import { HeaderField } from "../http2/header-field.ts";
import { addEdgeRoutes } from "./edge-routes.ts";
import { compileChain } from "./local-compiler.ts";
import { type ConfigEntry, entrySetOf } from "./mesh-config/config-entry.ts";
import { compileRouteTable, resolveRoute } from "./route-table.ts";
import { endpointOf, quoterChain, quoterSnapshot } from "./testing-chain.ts";

const entries: ConfigEntry[] = [
  { Kind: "proxy-defaults", Name: "global", Config: { protocol: "grpc" } },
  { Kind: "service-router", Name: "quoter", Routes: [route("/quoter.command.", "quote-command")] },
  { Kind: "service-router", Name: "greeter", Routes: [route("/x.", "elsewhere")] },
  { Kind: "service-splitter", Name: "greeter", Splits: [{ Weight: 40 }, { Weight: 60, Service: "greeter-next" }] },
];
const post = [new HeaderField(":method", "POST")];

function route(PathPrefix: string, Service: string) {
  return { Match: { HTTP: { PathPrefix } }, Destination: { Service } };
}

function chainOf(service: string) {
  const compiled = compileChain(entrySetOf(entries), service);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problem));
  return compiled.chain;
}

function serviceFor(path: string, services: [string, string[]][], random = 0): string | undefined {
  const chain = addEdgeRoutes({ chain: chainOf("quoter"), services: new Map(services), chainOf });
  const instances = new Map([["greeter", [endpointOf("greeter-1", "v1")]]]);
  const table = compileRouteTable(quoterSnapshot({ chain, instances }));
  expect(table.problems).toEqual([]);
  return resolveRoute(table, path, post, () => random)?.route.service;
}

describe("addEdgeRoutes", () => {
  test("a registered service gets the calls of its gRPC services, through its own splitter", () => {
    const services: [string, string[]][] = [["greeter", ["helloworld.Greeter"]]];
    expect(serviceFor("/helloworld.Greeter/SayHello", services, 0)).toBe("greeter");
    expect(serviceFor("/helloworld.Greeter/SayHello", services, 0.9)).toBe("greeter-next");
    expect(serviceFor("/helloworld.GreeterTwo/SayHello", services)).toBeUndefined();
  });

  test("a configured route wins over what an instance states", () => {
    const services: [string, string[]][] = [["thief", ["quoter.command.v1.QuoteCommandService"]]];
    expect(serviceFor("/quoter.command.v1.QuoteCommandService/SubmitQuote", services)).toBe("quote-command");
  });

  test("of two services that state the same gRPC service the first by name gets it", () => {
    const path = "/helloworld.Greeter/SayHello";
    expect(
      serviceFor(path, [
        ["b", ["helloworld.Greeter"]],
        ["a", ["helloworld.Greeter"]],
      ]),
    ).toBe("a");
    expect(
      serviceFor(path, [
        ["a", ["helloworld.Greeter"]],
        ["b", ["helloworld.Greeter"]],
      ]),
    ).toBe("a");
  });

  test.each(["ferry.admin.v1.ReadModelService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"])(
    "%s gets no route",
    (name) => {
      expect(serviceFor(`/${name}/Call`, [["greeter", [name]]])).toBeUndefined();
    },
  );

  test("the catch-all stays when instances are registered under the virtual service's own name", () => {
    expect(serviceFor("/any.Thing/Call", [["quoter", []]])).toBe("quoter");
    expect(serviceFor("/any.Thing/Call", [["greeter", []]])).toBeUndefined();
  });

  test("a chain without a router gets one", () => {
    const start = "resolver:quote-command.default.default.dc1";
    const chain = addEdgeRoutes({
      chain: { ...quoterChain, StartNode: start },
      services: new Map([
        ["greeter", ["helloworld.Greeter"]],
        ["quoter", []],
      ]),
      chainOf,
    });
    const table = compileRouteTable(quoterSnapshot({ chain }));
    expect(resolveRoute(table, "/helloworld.Greeter/SayHello", post, () => 0)?.route.service).toBe("greeter");
    expect(resolveRoute(table, "/any.Thing/Call", post, () => 0)?.route.service).toBe("quote-command");
  });
});
