import { describe, expect, test } from "vitest";
import type { ChainView, ManagedChains } from "./chain-source.ts";
import { chainProblems, checkedChains } from "./checked-chains.ts";
import { quoterChain } from "./testing-chain.ts";

const right: ChainView = {
  chain: quoterChain,
  globalConfig: { protocol: "grpc", ferry_retries: 1 },
  serviceMeta: new Map([["quote-query", { owner: "x" }]]),
};
const wrong: ChainView = {
  chain: { ...quoterChain, ServiceMeta: { "ferry_retrys:a.B/C": "1" } },
  globalConfig: { ferry_retries: "many" },
  serviceMeta: new Map([
    ["quote-query", { "ferry_eject_base:a.B.C": "1s" }],
    ["somebody-else", { ferry_nothing: "1" }],
  ]),
};

function scene() {
  const told: string[] = [];
  const views: ChainView[] = [];
  let tell: (view: ChainView) => void = () => {};
  const inner: ManagedChains = {
    watchChain: (_, onChange) => {
      tell = onChange;
    },
    refresh: () => {},
    inForce: { hash: "consul", rejected: [] },
  };
  const chains = checkedChains(inner, (sentence) => told.push(sentence));
  const abort = new AbortController();
  chains.watchChain("quoter", (view) => views.push(view), abort.signal);
  return { chains, told, views, abort, tell: (view: ChainView) => tell(view) };
}

describe("chainProblems", () => {
  test("names the entry, the field and the key, and what was probably meant", () => {
    expect(chainProblems(right)).toEqual([]);
    expect(chainProblems(wrong)).toMatchObject([
      { file: "proxy-defaults/global.json", path: "Config.ferry_retries", found: '"many"' },
      {
        file: "service-defaults/quoter.json",
        path: 'Meta."ferry_retrys:a.B/C"',
        suggestion: "ferry_retries:a.B/C",
      },
      {
        file: "service-defaults/quote-query.json",
        path: 'Meta."ferry_eject_base:a.B.C"',
        suggestion: "ferry_eject_base:a.B/C",
      },
    ]);
  });
});

/** `quoterChain` with one more route and one more target, as Consul lets anybody write them. */
function chainWith(Match: object, Filter: string): ChainView {
  const router = quoterChain.Nodes[quoterChain.StartNode];
  if (router?.Type !== "router") throw new Error("expected a router at the start");
  const route = { Definition: { Match }, NextNode: router.Routes[0]!.NextNode };
  const Nodes = { ...quoterChain.Nodes, [quoterChain.StartNode]: { ...router, Routes: [route, ...router.Routes] } };
  const target = { ID: "bad.web", Service: "web", ServiceSubset: "bad", Subset: { Filter } };
  return { ...right, chain: { ...quoterChain, Nodes, Targets: { ...quoterChain.Targets, "bad.web": target } } };
}

describe("what Consul takes and nobody can evaluate", () => {
  test("is a problem that names entry, place and reason: a regular expression, a filter", () => {
    expect(chainProblems(chainWith({ HTTP: { PathRegex: "/a.*" } }, '"canary" in Service.Tags'))).toEqual([]);
    expect(chainProblems(chainWith({ HTTP: { PathRegex: "(?=x)" } }, "Bogus.Sel == 1"))).toMatchObject([
      {
        ...{ file: "service-router/quoter.json", path: "Routes" },
        expected: expect.stringMatching(/PathRegex "\(\?=x\)": .*; the route matches nothing$/),
      },
      {
        ...{ file: "service-resolver/web.json", path: "Subsets.bad.Filter", found: '"Bogus.Sel == 1"' },
        expected: expect.stringMatching(/^a filter \(1:1: Selector "Bogus.Sel" is not valid; .*no instances$/),
      },
    ]);
  });
});

describe("checkedChains", () => {
  test("hands every view on, tells each mistake once, and shows it until it is mended", () => {
    const { chains, told, views, tell } = scene();
    tell(right);
    expect(chains.inForce).toEqual({ hash: "consul", rejected: [] });
    tell(wrong);
    tell({ ...wrong });
    expect(told).toHaveLength(3);
    expect(told[1]).toMatch(
      /^without effect: service-defaults\/quoter\.json: Meta\."ferry_retrys:a\.B\/C": expected a key/,
    );
    expect(chains.inForce.rejected).toHaveLength(3);
    tell(right);
    expect(chains.inForce.rejected).toEqual([]);
    expect(views).toHaveLength(4);
  });

  test("forgets an upstream that is no longer watched", () => {
    const { chains, tell, abort } = scene();
    tell(wrong);
    abort.abort();
    expect(chains.inForce.rejected).toEqual([]);
  });
});
