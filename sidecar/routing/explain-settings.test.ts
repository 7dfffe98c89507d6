import { describe, expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import type { DiscoveryChain } from "./discovery-chain.ts";
import { explainRoute } from "./explain-route.ts";
import { ferrySettings } from "./mesh-config/ferry-settings.ts";
import { defaultCallPolicy } from "./policy/call-policy.ts";
import { compileRouteTable } from "./route-table.ts";
import { quoterChain, quoterSnapshot } from "./testing-chain.ts";

const getQuote = "quoter.query.v1.QuoteQueryService/GetQuote";
const watchQuotes = "quoter.query.v1.QuoteQueryService/WatchQuotes";

/** The keys that are not by default, as `key = value by origin`. */
function stated(method: string, input: Parameters<typeof quoterSnapshot>[0]): readonly string[] {
  const snapshot = quoterSnapshot(input);
  const { legs } = explainRoute({ snapshot, table: compileRouteTable(snapshot) }, `/${method}`, []);
  const settings = legs[0]?.settings ?? [];
  return settings
    .filter(({ origin }) => origin !== "default")
    .map(({ key, value, origin }) => `${key} = ${value} by ${origin}`);
}

/** quoterChain whose fourth route has this destination, and whose resolver of v1 has these times. */
function chainWith(destination: object, resolver: object = {}): DiscoveryChain {
  const chain = structuredClone(quoterChain) as unknown as {
    Nodes: Record<string, { Routes: { Definition: object }[]; Resolver: object }>;
  };
  const { Definition } = chain.Nodes["router:quoter.default.default"]!.Routes[3]!;
  Object.assign(Definition, { Destination: destination });
  Object.assign(chain.Nodes["resolver:v1.quote-query.default.default.dc1"]!.Resolver, resolver);
  return chain as unknown as DiscoveryChain;
}

/** A Config or Meta with some keys, some of them for one method or one service. */
function someKeys(random: () => number): Record<string, string> {
  const values = ["0", "1", "3", "50", "250ms", "7s", "5m", "on", "yes", "off", "none", "ABORTED", "x-example"];
  const scopes = ["", "", `:${getQuote}`, ":quoter.query.v1.QuoteQueryService/*", ":other.Service/*"];
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const keys: Record<string, string> = {};
  for (const { key, scope, expected } of ferrySettings) {
    if (random() < 0.5) continue;
    const words = /^one of (.*)$/.exec(expected)?.[1]?.split(", ") ?? values;
    keys[key + (scope === "service" ? "" : pick(scopes))] = pick(words);
  }
  return keys;
}

describe("settings in force", () => {
  test("as they are told make the very policy that calls get, whatever is written where (200 seeded cases)", () => {
    const random = seededRandom(11);
    for (let n = 0; n < 200; n++) {
      const globalConfig = someKeys(random);
      const chain = { ...quoterChain, ServiceMeta: someKeys(random) };
      const snapshot = quoterSnapshot({
        globalConfig,
        chain,
        serviceMeta: new Map([["quote-query", someKeys(random)]]),
      });
      const path = `/${random() < 0.5 ? getQuote : watchQuotes}`;
      const { legs } = explainRoute({ snapshot, table: compileRouteTable(snapshot) }, path, []);
      const told = new Map(legs[0]!.settings.map(({ key, value }) => [key, value]));
      const policy = ferrySettings.reduce((made, row) => row.read(made, told.get(row.key)!) ?? made, defaultCallPolicy);
      expect(policy).toEqual(legs[0]!.decision.route.policy);
    }
  });

  test("without any key every one of the table is there by default, and as the table has it", () => {
    const snapshot = quoterSnapshot();
    const { legs } = explainRoute({ snapshot, table: compileRouteTable(snapshot) }, `/${getQuote}`, []);
    expect(legs[0]?.settings).toEqual([
      ...ferrySettings.map(({ key, default: value }) => ({ key, value, origin: "default" })),
      { key: "LoadBalancer", value: "peak_ewma", origin: "default" },
      { key: "ConnectTimeout", value: "5s", origin: "default" },
    ]);
  });

  test("of equally narrow keys the called service's wins over the entry point's, and that over the global one", () => {
    const globalConfig = { ferry_retries: 1, ferry_eject_base: "2s", ferry_eject_max: "3m" };
    const chain = { ...quoterChain, ServiceMeta: { ferry_retries: "3", ferry_eject_base: "4s" } };
    const serviceMeta = new Map([["quote-query", { ferry_retries: "5", owner: "x" }]]);
    expect(stated(getQuote, { globalConfig, chain, serviceMeta })).toEqual([
      "ferry_retries = 5 by service-defaults quote-query Meta ferry_retries",
      "ferry_eject_base = 4s by service-defaults quoter Meta ferry_eject_base",
      "ferry_eject_max = 3m by proxy-defaults global Config ferry_eject_max",
    ]);
  });

  test("keys that the called service's own sidecar reads are not taken from the entry point", () => {
    const globalConfig = { ferry_inbound_max_calls: 50 };
    const chain = { ...quoterChain, ServiceMeta: { ferry_inbound_max_calls: "7", ferry_max_calls: "8" } };
    expect(stated(getQuote, { globalConfig, chain })).toEqual([
      "ferry_max_calls = 8 by service-defaults quoter Meta ferry_max_calls",
      "ferry_inbound_max_calls = 50 by proxy-defaults global Config ferry_inbound_max_calls",
    ]);
  });

  test("the narrower key wins wherever it stands, and is named as it was written", () => {
    const globalConfig = { [`ferry_retries:${getQuote}`]: 1 };
    const serviceMeta = new Map([
      ["quote-query", { ferry_retries: "5", "ferry_retries:quoter.query.v1.QuoteQueryService/*": "4" }],
    ]);
    expect(stated(getQuote, { globalConfig, serviceMeta })).toEqual([
      `ferry_retries = 1 by proxy-defaults global Config ferry_retries:${getQuote}`,
    ]);
    const whole = "service-defaults quote-query Meta ferry_retries:quoter.query.v1.QuoteQueryService/*";
    expect(stated(watchQuotes, { globalConfig, serviceMeta })).toEqual([`ferry_retries = 4 by ${whole}`]);
  });

  test("the cap on a call's time is told to leave streams alone, which it does", () => {
    const globalConfig = { ferry_request_timeout: "2s" };
    const origin = "proxy-defaults global Config ferry_request_timeout";
    expect(stated(getQuote, { globalConfig })).toEqual([`ferry_request_timeout = 2s by ${origin}`]);
    expect(stated(watchQuotes, { globalConfig })).toEqual([
      `ferry_request_timeout = 2s by ${origin} (streams are left alone)`,
    ]);
  });

  test("what Consul's own fields decide is told as theirs", () => {
    const globalConfig = { ferry_retries: 1, ferry_request_timeout: "9s" };
    const retryOn = { RetryOn: ["unavailable", "reset"], RetryOnStatusCodes: [503, 504] };
    const chain = chainWith({ NumRetries: 4, RequestTimeout: "1500ms", ...retryOn }, { ConnectTimeout: "1s" });
    expect(stated(getQuote, { globalConfig, chain })).toEqual([
      "ferry_request_timeout = 1.5s by service-router quoter Routes[3] RequestTimeout",
      "ferry_retries = 4 by service-router quoter Routes[3] NumRetries",
      "ferry_retry_on = UNAVAILABLE by service-router quoter Routes[3] RetryOn",
      "RetryOnStatusCodes = 503,504 by service-router quoter Routes[3] RetryOnStatusCodes",
      "ConnectTimeout = 1s by service-resolver quote-query ConnectTimeout",
    ]);
  });

  test("a resolver's LoadBalancer is told with what it hashes", () => {
    const chain = structuredClone(quoterChain) as unknown as { Nodes: Record<string, object> };
    const HashPolicies = [{ Field: "header", FieldValue: "x-user-id" }];
    const LoadBalancer = { Policy: "maglev", HashPolicies };
    Object.assign(chain.Nodes["resolver:v1.quote-query.default.default.dc1"]!, { LoadBalancer });
    expect(stated(getQuote, { chain: chain as unknown as DiscoveryChain })).toEqual([
      "LoadBalancer = maglev by header x-user-id by service-resolver quote-query LoadBalancer",
    ]);
  });

  test("a resolver's RequestTimeout is told as its own where the chain begins with it", () => {
    const id = "v1.quote-query.default.default.dc1";
    const chain = { ...chainWith({}, { RequestTimeout: 2_000_000_000 }), StartNode: `resolver:${id}` };
    expect(stated(getQuote, { chain })).toEqual([
      "ferry_request_timeout = 2s by service-resolver quote-query RequestTimeout",
    ]);
  });
});
