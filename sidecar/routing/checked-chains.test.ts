import { describe, expect, test } from "vitest";
import type { ChainView, ManagedChains } from "./chain-source.ts";
import { checkedChains, settingProblems } from "./checked-chains.ts";
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

describe("settingProblems", () => {
  test("names the entry, the field and the key, and what was probably meant", () => {
    expect(settingProblems(right)).toEqual([]);
    expect(settingProblems(wrong)).toMatchObject([
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
