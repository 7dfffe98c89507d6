import { describe, expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { HeaderField } from "../http2/header-field.ts";
import type { DiscoveryChain, RouteDestination, RouterNode, SplitterNode } from "./discovery-chain.ts";
import { defaultRetryPolicy } from "./policy/retry-policy.ts";
import { compileRouteTable, resolveRoute } from "./route-table.ts";
import { endpointOf, quoterChain, quoterSnapshot } from "./testing-chain.ts";

const getQuote = "/quoter.query.v1.QuoteQueryService/GetQuote";
const watchQuotes = "/quoter.query.v1.QuoteQueryService/WatchQuotes";
const post = [new HeaderField(":method", "POST")];
const mobile = [...post, new HeaderField("x-device", "mobile")];
const noChance = () => {
  throw new Error("nothing to decide by chance here");
};

function withRouter(Routes: RouterNode["Routes"]): DiscoveryChain {
  const start = quoterChain.StartNode;
  return { ...quoterChain, Nodes: { ...quoterChain.Nodes, [start]: { Type: "router", Name: "quoter", Routes } } };
}

function withSplits(Splits: SplitterNode["Splits"]): DiscoveryChain {
  const key = "splitter:quote-query.default.default";
  return {
    ...quoterChain,
    Nodes: { ...quoterChain.Nodes, [key]: { Type: "splitter", Name: "quote-query.default.default", Splits } },
  };
}

describe("a route's own words about retries", () => {
  const retryOf = (Destination: RouteDestination) => {
    const NextNode = "resolver:quote-command.default.default.dc1";
    const chain = withRouter([{ Definition: { Destination }, NextNode }]);
    const table = compileRouteTable({ ...quoterSnapshot(), chain });
    return resolveRoute(table, getQuote, post, noChance)?.route.policy.retry;
  };

  test("NumRetries, RetryOn and RetryOnStatusCodes stand over the service's keys", () => {
    expect(retryOf({ NumRetries: 4 })).toEqual({ ...defaultRetryPolicy, retries: 4 });
    expect(retryOf({ RetryOn: ["internal", "gateway-error"], RetryOnStatusCodes: [429] })).toEqual({
      ...defaultRetryPolicy,
      statuses: [13, 14],
      httpStatuses: [502, 503, 504, 429],
    });
  });

  test("RetryOn with words about connections alone retries no answer", () => {
    expect(retryOf({ RetryOn: ["connect-failure", "reset"] })?.statuses).toEqual([]);
  });

  test("what is not said, or empty, changes nothing", () => {
    for (const said of [{}, { NumRetries: 0, RetryOn: [], RetryOnStatusCodes: [] }]) {
      expect(retryOf(said)).toBe(defaultRetryPolicy);
    }
  });
});

describe("resolveRoute", () => {
  test("a path prefix leads to its service, and equal calls share one decision", () => {
    const table = compileRouteTable(quoterSnapshot());
    const decision = resolveRoute(table, "/quoter.command.v1.QuoteCommandService/SubmitQuote", post, noChance);
    expect(decision?.route).toMatchObject({ service: "quote-command", subset: "", upstream: "quoter" });
    expect(decision?.route.explanation).toBe("router quoter[0] > quote-command");
    expect(decision?.candidates.targets.map((target) => target.endpoints.map(({ id }) => id))).toEqual([
      ["quote-command-4", "quote-command-5"],
    ]);
    expect(resolveRoute(table, "/quoter.command.v1.QuoteCommandService/SubmitQuote", mobile, noChance)).toBe(decision);
  });

  test("a header rule comes before the splitter behind it, and only for calls that bear the header", () => {
    const table = compileRouteTable(quoterSnapshot());
    expect(resolveRoute(table, getQuote, mobile, noChance)?.route).toMatchObject({
      service: "quote-query",
      subset: "v2",
    });
    const other = [...post, new HeaderField("x-device", "desktop")];
    expect(resolveRoute(table, getQuote, other, () => 0)?.route).toMatchObject({ subset: "v1" });
    expect(resolveRoute(table, getQuote, post, () => 0.95)?.route.explanation).toBe(
      "router quoter[3] > splitter quote-query 10% > quote-query v2",
    );
  });

  test("no rule, no route", () => {
    const table = compileRouteTable(quoterSnapshot());
    expect(resolveRoute(table, "/ferry.admin.v1.ReadModelService/GetPosition", post, noChance)).toBeUndefined();
  });

  test("a million calls split 90/10 to within a twentieth of a percent", () => {
    const table = compileRouteTable(quoterSnapshot());
    const random = seededRandom(7);
    let v2 = 0;
    for (let i = 0; i < 1_000_000; i++) {
      if (resolveRoute(table, getQuote, post, random)?.route.subset === "v2") v2++;
    }
    expect(v2 / 1_000_000).toBeCloseTo(0.1, 3);
  });

  test("a split of 0.01 % is exactly that share of the random numbers, and a missing weight is none", () => {
    const chain = withSplits([
      { Weight: 99.99, NextNode: "resolver:v1.quote-query.default.default.dc1" },
      { Weight: 0.01, NextNode: "resolver:v2.quote-query.default.default.dc1" },
      { NextNode: "resolver:quote-command.default.default.dc1" },
    ]);
    const table = compileRouteTable(quoterSnapshot({ chain }));
    expect(resolveRoute(table, getQuote, post, () => 0.99989999)?.route.subset).toBe("v1");
    expect(resolveRoute(table, getQuote, post, () => 0.9999)?.route.subset).toBe("v2");
    expect(resolveRoute(table, getQuote, post, () => 0.9999999999)?.route.subset).toBe("v2");
  });

  test("a splitter whose weights are all 0 leads nowhere", () => {
    const chain = withSplits([{ NextNode: "resolver:v1.quote-query.default.default.dc1" }]);
    const table = compileRouteTable(quoterSnapshot({ chain }));
    expect(resolveRoute(table, getQuote, post, noChance)).toBeUndefined();
  });

  test("the method's traits come with the decision, and unknown methods have none", () => {
    const table = compileRouteTable(quoterSnapshot());
    expect(resolveRoute(table, getQuote, mobile, noChance)?.candidates.traits).toEqual({
      kind: "unary",
      idempotent: true,
    });
    const unknown = resolveRoute(table, "/quoter.query.v1.QuoteQueryService/New", mobile, noChance);
    expect(unknown?.candidates.traits).toBeUndefined();
    expect(unknown?.route.isIdempotent).toBe(false);
  });

  test("ferry_request_timeout caps unary calls and leaves streams alone; a route's RequestTimeout caps both", () => {
    const globalConfig = { ferry_request_timeout: "2s" };
    const table = compileRouteTable(quoterSnapshot({ globalConfig }));
    expect(resolveRoute(table, getQuote, mobile, noChance)?.route.timeoutMs).toBe(2_000);
    expect(resolveRoute(table, watchQuotes, mobile, noChance)?.route.timeoutMs).toBe(Number.POSITIVE_INFINITY);
    const chain = withRouter([
      { Definition: { Destination: { RequestTimeout: "3s" } }, NextNode: "resolver:quote-command.default.default.dc1" },
    ]);
    const stated = compileRouteTable(quoterSnapshot({ globalConfig, chain }));
    expect(resolveRoute(stated, getQuote, post, noChance)?.route.timeoutMs).toBe(3_000);
    expect(resolveRoute(stated, watchQuotes, post, noChance)?.route.timeoutMs).toBe(3_000);
  });

  test("a negative RequestTimeout switches every cap off; a resolver's counts only where the chain starts", () => {
    const id = "quote-command.default.default.dc1";
    const node = { Type: "resolver" as const, Name: id, Resolver: { Target: id, RequestTimeout: 8_000_000_000 } };
    const startsHere = { ...quoterChain, StartNode: `resolver:${id}`, Nodes: { [`resolver:${id}`]: node } };
    const direct = compileRouteTable(quoterSnapshot({ chain: startsHere }));
    expect(resolveRoute(direct, getQuote, post, noChance)?.route.timeoutMs).toBe(8_000);
    const off = withRouter([{ Definition: { Destination: { RequestTimeout: "-1s" } }, NextNode: `resolver:${id}` }]);
    const chain = { ...off, Nodes: { ...off.Nodes, [`resolver:${id}`]: node } };
    const table = compileRouteTable(quoterSnapshot({ chain, globalConfig: { ferry_request_timeout: "2s" } }));
    expect(resolveRoute(table, getQuote, post, noChance)?.route.timeoutMs).toBe(Number.POSITIVE_INFINITY);
  });

  test("critical and weight 0 are no candidates; warnings are, unless the subset is OnlyPassing", () => {
    const queries = [
      endpointOf("quote-query-1", "v1", { health: "critical" }),
      endpointOf("quote-query-2", "v1", { health: "warning" }),
      endpointOf("quote-query-3", "v2", { health: "warning" }),
      endpointOf("quote-query-4", "v1", { weight: 0 }),
    ];
    const onlyPassing = { Filter: "Service.Meta.version == v2", OnlyPassing: true };
    const v2 = quoterChain.Targets["v2.quote-query.default.default.dc1"]!;
    const chain = { ...quoterChain, Targets: { ...quoterChain.Targets, [v2.ID]: { ...v2, Subset: onlyPassing } } };
    const instances = new Map([["quote-query", queries]]);
    const table = compileRouteTable(quoterSnapshot({ chain, instances }));
    const ids = (random: number) =>
      resolveRoute(table, getQuote, post, () => random)?.candidates.targets[0]?.endpoints.map(({ id }) => id);
    expect(ids(0)).toEqual(["quote-query-2"]);
    expect(ids(0.95)).toEqual([]);
  });

  test("failover targets follow the first target in their order", () => {
    const id = "v2.quote-query.default.default.dc1";
    const failover = { Targets: ["v1.quote-query.default.default.dc1", "quote-command.default.default.dc1"] };
    const node = { Type: "resolver" as const, Name: id, Resolver: { Target: id, Failover: failover } };
    const chain = { ...quoterChain, Nodes: { ...quoterChain.Nodes, [`resolver:${id}`]: node } };
    const decision = resolveRoute(compileRouteTable(quoterSnapshot({ chain })), getQuote, mobile, noChance);
    expect(decision?.candidates.targets.map((target) => [target.id, target.endpoints.length])).toEqual([
      ["v2.quote-query.default.default.dc1", 1],
      ["v1.quote-query.default.default.dc1", 2],
      ["quote-command.default.default.dc1", 2],
    ]);
  });

  test("a rule that cannot be compiled matches nothing and is told; the rules around it stay", () => {
    const chain = withRouter([
      {
        Definition: { Match: { HTTP: { PathRegex: "(?=x)" } } },
        NextNode: "resolver:v2.quote-query.default.default.dc1",
      },
      { NextNode: "resolver:quote-command.default.default.dc1" },
    ]);
    const table = compileRouteTable(quoterSnapshot({ chain }));
    expect(table.problems).toEqual([expect.stringContaining("router quoter[0]: PathRegex")]);
    expect(resolveRoute(table, "x", post, noChance)?.route.service).toBe("quote-command");
  });

  test("a route to a node that does not exist fails its calls and sends them nowhere else", () => {
    const chain = withRouter([
      { Definition: { Match: { HTTP: { PathPrefix: "/a/" } } }, NextNode: "resolver:gone" },
      { NextNode: "resolver:quote-command.default.default.dc1" },
    ]);
    const table = compileRouteTable(quoterSnapshot({ chain }));
    expect(table.problems).toEqual(["router quoter[0]: leads to no target that can be used"]);
    expect(resolveRoute(table, "/a/b", post, noChance)).toBeUndefined();
    expect(resolveRoute(table, "/b/b", post, noChance)?.route.service).toBe("quote-command");
  });

  test("paths that callers make up do not grow the memory of paths", () => {
    const table = compileRouteTable(quoterSnapshot());
    for (let i = 0; i < 10_000; i++) resolveRoute(table, `/made.up.Service/Method${i}`, post, noChance);
    resolveRoute(table, `/${"x".repeat(10_000)}`, post, noChance);
    expect(table.paths.size).toBeLessThanOrEqual(2_048);
    expect([...table.paths.keys()].every((path) => path.length <= 512)).toBe(true);
  });

  test("the filter of a subset that is not valid matches nobody", () => {
    const v2 = quoterChain.Targets["v2.quote-query.default.default.dc1"]!;
    const Targets = { ...quoterChain.Targets, [v2.ID]: { ...v2, Subset: { Filter: "Bogus.Sel == 1" } } };
    const snapshot = quoterSnapshot({ chain: { ...quoterChain, Targets } });
    expect(snapshot.endpoints[v2.ID]).toEqual([]);
  });

  test("a snapshot survives structuredClone and routes the same afterwards", () => {
    const snapshot = quoterSnapshot();
    const copy = structuredClone(snapshot);
    expect(copy).toEqual(snapshot);
    expect(resolveRoute(compileRouteTable(copy), getQuote, mobile, noChance)?.route.subset).toBe("v2");
  });

  test("settings: what names a method wins over what names a gRPC service, that over what names neither", () => {
    const snapshot = quoterSnapshot({
      globalConfig: { "ferry_retries:quoter.query.v1.QuoteQueryService/GetQuote": 7 },
      serviceMeta: new Map([
        ["quote-query", { ferry_retries: "5", "ferry_retries:quoter.query.v1.QuoteQueryService/*": "6" }],
      ]),
    });
    const routes = compileRouteTable(snapshot);
    const retriesOf = (path: string) => resolveRoute(routes, path, [], () => 0)?.route.policy.retry.retries;
    expect(retriesOf(getQuote)).toBe(7);
    expect(retriesOf("/quoter.query.v1.QuoteQueryService/GetRandomQuote")).toBe(6);
    expect(retriesOf("/quoter.query.v2.QuoteQueryService/GetQuote")).toBe(5);
  });

  test("settings: the called service wins over the entry point, that over proxy-defaults, that over defaults", () => {
    const snapshot = quoterSnapshot({
      globalConfig: { ferry_retries: 3, ferry_eject_base: "2s", ferry_eject_max: "30s", envoy_x: true },
      chain: { ...quoterChain, ServiceMeta: { ferry_eject_base: "3s", team: "edge" } },
      serviceMeta: new Map([["quote-query", { ferry_eject_base: "4s", ferry_retries: "nonsense" }]]),
    });
    const policy = snapshot.policies["quote-query"];
    expect(policy?.all.retry.retries).toBe(3);
    expect(policy?.all.ejection).toMatchObject({ consecutiveFailures: 5, baseMs: 4_000, maxMs: 30_000 });
    expect(policy?.origins).toEqual({
      ferry_retries: { value: "3", origin: "proxy-defaults global Config" },
      ferry_eject_base: { value: "4s", origin: "service-defaults quote-query Meta" },
      ferry_eject_max: { value: "30s", origin: "proxy-defaults global Config" },
    });
    expect(snapshot.policies["quote-command"]?.all.ejection.baseMs).toBe(3_000);
  });
});
