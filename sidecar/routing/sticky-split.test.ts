import { describe, expect, test } from "vitest";
import { type Random, seededRandom } from "../../common/random.ts";
import { HeaderField, type HeaderFields } from "../http2/header-field.ts";
import type { DiscoveryChain, SplitterNode } from "./discovery-chain.ts";
import { checkFerrySettings } from "./mesh-config/ferry-settings.ts";
import { compileRouteTable, type RouteTable, resolveRoute } from "./route-table.ts";
import { quoterChain, quoterSnapshot } from "./testing-chain.ts";

const getQuote = "/quoter.query.v1.QuoteQueryService/GetQuote";
const splitterKey = "splitter:quote-query.default.default";
const users = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
const noChance: Random = () => {
  throw new Error("nothing to decide by chance here");
};

/** Splits to the subsets or services named, in that order; a name without a version is a service of its own. */
function chainWith(weights: Readonly<Record<string, number>>, splitter = "quote-query"): DiscoveryChain {
  const Nodes: Record<string, DiscoveryChain["Nodes"][string]> = { ...quoterChain.Nodes };
  const Targets: Record<string, DiscoveryChain["Targets"][string]> = { ...quoterChain.Targets };
  const Splits: SplitterNode["Splits"] = Object.entries(weights).map(([subset, Weight]) => {
    const id = `${subset}.quote-query.default.default.dc1`;
    Nodes[`resolver:${id}`] = { Type: "resolver", Name: id, Resolver: { Target: id } };
    Targets[id] = { ID: id, Service: "quote-query", ServiceSubset: subset, Subset: {} };
    return { Weight, NextNode: `resolver:${id}` };
  });
  Nodes[splitterKey] = { Type: "splitter", Name: `${splitter}.default.default`, Splits };
  return { ...quoterChain, Nodes, Targets };
}

function sticky(chain: DiscoveryChain = quoterChain, meta: Record<string, string> = {}): RouteTable {
  const own = { ferry_split_sticky_header: "X-User-Id", ...meta };
  return compileRouteTable(quoterSnapshot({ chain, serviceMeta: new Map([["quote-query", own]]) }));
}

function fieldsOf(user: string): HeaderFields {
  return [new HeaderField(":method", "POST"), new HeaderField("x-user-id", user)];
}

function sideOf(table: RouteTable, user: string, path = getQuote): string {
  return resolveRoute(table, path, fieldsOf(user), noChance)!.route.subset;
}

function shareOf(table: RouteTable, subset: string): number {
  return users.filter((user) => sideOf(table, user) === subset).length / users.length;
}

/** How many users moved, by `from>to`, in percent of all. */
function moves(before: RouteTable, after: RouteTable): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const user of users) {
    const from = sideOf(before, user);
    const to = sideOf(after, user);
    if (from !== to) counts[`${from}>${to}`] = (counts[`${from}>${to}`] ?? 0) + 100 / users.length;
  }
  return counts;
}

describe("a sticky split", () => {
  test("keeps a user on one side, at tables that know nothing of each other, and never asks chance", () => {
    const gateway = sticky();
    const sidecar = sticky(structuredClone(quoterChain));
    for (const user of users.slice(0, 1_000)) expect(sideOf(sidecar, user)).toBe(sideOf(gateway, user));
  });

  test("keeps known users where they are: the hash is part of the contract between sidecars", () => {
    const table = sticky(chainWith({ v1: 50, v2: 50 }));
    const sides = ["ada", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"].map((user) => sideOf(table, user));
    expect(sides).toMatchInlineSnapshot(`
      [
        "v1",
        "v2",
        "v1",
        "v2",
        "v2",
        "v2",
        "v1",
        "v1",
      ]
    `);
  });

  test("keeps a user on the same side for every method and every router rule behind which the splitter stands", () => {
    const direct: DiscoveryChain = { ...quoterChain, ServiceName: "quote-query", StartNode: splitterKey };
    const edge = sticky();
    const sidecar = sticky(direct);
    for (const user of users.slice(0, 500)) {
      const side = sideOf(edge, user);
      expect(sideOf(edge, user, "/quoter.query.v1.QuoteQueryService/WatchQuotes")).toBe(side);
      expect(sideOf(sidecar, user)).toBe(side);
    }
  });

  test("gives each side its share of 20,000 users to within 0.7 points", () => {
    for (const weight of [1, 10, 25, 50]) {
      const table = sticky(chainWith({ v1: 100 - weight, v2: weight }));
      expect(Math.abs(shareOf(table, "v2") * 100 - weight)).toBeLessThan(0.7);
    }
    const thirds = sticky(chainWith({ v1: 60, v2: 30, v3: 10 }));
    expect(Math.abs(shareOf(thirds, "v1") * 100 - 60)).toBeLessThan(1);
    expect(Math.abs(shareOf(thirds, "v2") * 100 - 30)).toBeLessThan(1);
    expect(Math.abs(shareOf(thirds, "v3") * 100 - 10)).toBeLessThan(0.7);
  });

  test("spreads values that differ in one digit, in length or at the end alike", () => {
    const table = sticky(chainWith({ v1: 50, v2: 50 }));
    const families = [
      (i: number) => String(i),
      (i: number) => `${i}@example.com`,
      (i: number) => "x".repeat(i % 97) + i,
      (i: number) => `0f8fad5b-d9cb-469f-a165-${i.toString(16).padStart(12, "0")}`,
    ];
    for (const family of families) {
      let v2 = 0;
      for (let i = 0; i < 10_000; i++) if (sideOf(table, family(i)) === "v2") v2++;
      expect(Math.abs(v2 / 10_000 - 0.5)).toBeLessThan(0.02);
    }
  });

  test("moves only whom it must when a weight goes up: nobody leaves v2, as many come as it grew", () => {
    const moved = moves(sticky(chainWith({ v1: 90, v2: 10 })), sticky(chainWith({ v1: 80, v2: 20 })));
    expect(Object.keys(moved)).toEqual(["v1>v2"]);
    expect(Math.abs(moved["v1>v2"]! - 10)).toBeLessThan(0.7);
  });

  test("moves them back when the weight goes down, and nobody else", () => {
    const moved = moves(sticky(chainWith({ v1: 80, v2: 20 })), sticky(chainWith({ v1: 99, v2: 1 })));
    expect(Object.keys(moved)).toEqual(["v2>v1"]);
  });

  test("does not depend on the order in which the legs are written", () => {
    expect(moves(sticky(chainWith({ v1: 90, v2: 10 })), sticky(chainWith({ v2: 10, v1: 90 })))).toEqual({});
  });

  test("with a third leg takes from those who have, in proportion, and moves nobody between them", () => {
    const moved = moves(sticky(chainWith({ v1: 60, v2: 40 })), sticky(chainWith({ v1: 54, v2: 36, v3: 10 })));
    expect(Object.keys(moved).sort()).toEqual(["v1>v3", "v2>v3"]);
    expect(Math.abs(moved["v1>v3"]! - 6)).toBeLessThan(0.7);
  });

  test("of another splitter sends other users", () => {
    const one = sticky(chainWith({ v1: 50, v2: 50 }));
    const other = sticky(chainWith({ v1: 50, v2: 50 }, "other"));
    const same = users.filter((user) => sideOf(one, user) === sideOf(other, user)).length;
    expect(Math.abs(same / users.length - 0.5)).toBeLessThan(0.02);
  });

  test("sends everybody to a leg of 100 and nobody to a leg of 0", () => {
    const table = sticky(chainWith({ v1: 0, v2: 100 }));
    expect(shareOf(table, "v2")).toBe(1);
  });

  test("leaves calls without the header, or with an empty one, to chance", () => {
    const table = sticky();
    for (const fields of [[new HeaderField(":method", "POST")], fieldsOf("")]) {
      const random = seededRandom(3);
      let v2 = 0;
      for (let i = 0; i < 10_000; i++) {
        if (resolveRoute(table, getQuote, fields, random)?.route.subset === "v2") v2++;
      }
      expect(Math.abs(v2 / 10_000 - 0.1)).toBeLessThan(0.01);
    }
  });
});

test("without the key a split goes by chance, whatever the header says, and off is without it", () => {
  for (const table of [
    compileRouteTable(quoterSnapshot()),
    sticky(quoterChain, { ferry_split_sticky_header: "off" }),
  ]) {
    expect(resolveRoute(table, getQuote, fieldsOf("ada"), () => 0)?.route.subset).toBe("v1");
    expect(resolveRoute(table, getQuote, fieldsOf("ada"), () => 0.95)?.route.subset).toBe("v2");
  }
});

test("the key is for a whole service and takes a header's name", () => {
  const found = checkFerrySettings({
    "ferry_split_sticky_header:quoter.query.v1.QuoteQueryService/GetQuote": "x-user-id",
    ferry_split_sticky_header: ":path",
  });
  expect(found.map(({ expected }) => expected)).toEqual([
    "ferry_split_sticky_header without a method: it is for a whole service",
    "a header's name as x-user-id, or off",
  ]);
});

test("the key of a virtual service with a splitter holds for the services that it leads to", () => {
  const chain: DiscoveryChain = {
    ...chainWith({ v1: 50, v2: 50 }, "shop"),
    ServiceName: "shop",
    StartNode: splitterKey,
    ServiceMeta: { ferry_split_sticky_header: "x-user-id" },
  };
  const table = compileRouteTable(quoterSnapshot({ chain, serviceMeta: new Map() }));
  expect(["v1", "v2"]).toContain(sideOf(table, "ada"));
});
