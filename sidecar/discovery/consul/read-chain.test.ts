import { describe, expect, test } from "vitest";
import { readChain } from "./read-chain.ts";

const target = { ID: "a", Service: "a", Datacenter: "dc1", MeshGateway: {}, TransparentProxy: {} };

function chainWith(parts: { Nodes?: object; Targets?: object; extra?: object }) {
  const { Nodes = {}, Targets = { a: target }, extra = {} } = parts;
  return { Chain: { ServiceName: "a", Datacenter: "dc1", Protocol: "grpc", StartNode: "r", Nodes, Targets, ...extra } };
}

const resolver = { Type: "resolver", Name: "a", Resolver: { ConnectTimeout: "5s", RequestTimeout: 8e9, Target: "a" } };

describe("readChain", () => {
  test("what is known passes as it came, without a word", () => {
    const { chain, notices } = readChain(
      chainWith({ Nodes: { r: resolver }, extra: { AutoVirtualIPs: ["240.0.0.1"] } }),
    );
    expect(notices).toEqual([]);
    expect(chain.Nodes).toEqual({ r: resolver });
  });

  test("an unknown node type is named and taken out", () => {
    const { chain, notices } = readChain(chainWith({ Nodes: { r: resolver, x: { Type: "mirror", Name: "x" } } }));
    expect(Object.keys(chain.Nodes)).toEqual(["r"]);
    expect(notices).toEqual(['discovery chain of a: x has the unknown type "mirror": what leads there fails']);
  });

  test("words of RetryOn that mean something to gRPC pass; others are named once each", () => {
    const withWords = (RetryOn: readonly string[]) => ({
      Type: "router",
      Name: "a",
      Routes: [{ Definition: { Destination: { RetryOn, RetryOnStatusCodes: [502] } }, NextNode: "r" }],
    });
    const known = { n: withWords(["unavailable", "5xx", "reset"]), r: resolver };
    expect(readChain(chainWith({ Nodes: known }))).toMatchObject({ notices: [], chain: { Nodes: known } });
    const { notices } = readChain(chainWith({ Nodes: { n: withWords(["retriable-4xx", "internal"]), r: resolver } }));
    expect(notices).toEqual([
      'discovery chain of a: n[0]: RetryOn "retriable-4xx" has no effect: it says nothing to gRPC',
    ]);
  });

  test("an unknown field that says something is named; a zero one is not", () => {
    const Nodes = { r: { ...resolver, Shadow: { Percent: 5 }, Empty: {} } };
    expect(readChain(chainWith({ Nodes })).notices).toEqual(["discovery chain of a: r: Shadow has no effect yet"]);
  });

  test("a balancer passes as it came; what of it is not acted on is named", () => {
    const honoured = {
      Policy: "ring_hash",
      RingHashConfig: { MinimumRingSize: 64, MaximumRingSize: 0 },
      HashPolicies: [{ Field: "header", FieldValue: "x-user-id", Terminal: true }],
    };
    const Nodes = { r: { ...resolver, LoadBalancer: honoured } };
    expect(readChain(chainWith({ Nodes }))).toMatchObject({ notices: [], chain: { Nodes } });
    const HashPolicies = [
      { Field: "cookie", FieldValue: "sid", CookieConfig: { TTL: 3_600_000_000_000, Path: "/" } },
      { Field: "query_parameter", FieldValue: "q" },
      { SourceIP: true },
    ];
    const at = "discovery chain of a: r LoadBalancer";
    const noted = chainWith({ Nodes: { r: { ...resolver, LoadBalancer: { Policy: "maglev", HashPolicies } } } });
    expect(readChain(noted).notices).toEqual([
      `${at} HashPolicies[0]: CookieConfig has no effect yet`,
      `${at} HashPolicies[1]: Field query_parameter has no effect`,
      `${at} HashPolicies[2]: SourceIP has no effect yet`,
    ]);
    const later = chainWith({ Nodes: { r: { ...resolver, LoadBalancer: { Policy: "psychic" } } } });
    expect(readChain(later).notices).toEqual([`${at}: Policy psychic is not known and has no effect`]);
  });

  test("a route with a condition that we cannot test matches nothing", () => {
    const route = (HTTP: object) => ({ Definition: { Match: { HTTP } }, NextNode: "n" });
    const Routes = [route({ QueryParam: [{ Name: "q", Present: true }] }), route({ PathPrefix: "/" })];
    const { chain, notices } = readChain(chainWith({ Nodes: { r: { Type: "router", Name: "a", Routes } } }));
    expect(chain.Nodes.r).toMatchObject({ Routes: [Routes[1]] });
    expect(notices).toEqual(["discovery chain of a: r[0]: cannot test QueryParam: the route matches nothing"]);
  });

  test("targets in another datacenter or at a peer are taken out, so that nobody else is dialed for them", () => {
    const Targets = { a: target, b: { ...target, Datacenter: "dc2" }, c: { ...target, Peer: "p1" } };
    const { chain, notices } = readChain(chainWith({ Nodes: { r: resolver }, Targets }));
    expect(Object.keys(chain.Targets)).toEqual(["a"]);
    expect(notices).toContain("discovery chain of a: target b is in datacenter dc2: not reached yet");
  });

  test("what is no chain is refused", () => {
    expect(() => readChain({ Chain: { Nodes: [] } })).toThrow(/expected a discovery chain/);
  });
});
