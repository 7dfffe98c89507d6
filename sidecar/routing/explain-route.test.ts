import { describe, expect, test } from "vitest";
import { HeaderField } from "../http2/header-field.ts";
import { explainRoute } from "./explain-route.ts";
import { compileRouteTable, resolveRoute } from "./route-table.ts";
import { quoterSnapshot } from "./testing-chain.ts";

const snapshot = quoterSnapshot();
const table = compileRouteTable(snapshot);
const getQuote = "/quoter.query.v1.QuoteQueryService/GetQuote";

describe("explainRoute", () => {
  test("tells each rule up to the one that matches, with its condition and why it did not", () => {
    const { rules, legs, traits } = explainRoute({ snapshot, table }, getQuote, [new HeaderField(":method", "POST")]);
    expect(rules.map(({ rule, condition, verdict }) => `${rule}: ${condition}: ${verdict}`)).toEqual([
      "router quoter[0]: PathPrefix /quoter.command.: other path",
      "router quoter[1]: PathPrefix /quoter.query.v2.: other path",
      "router quoter[2]: PathPrefix /quoter.query.v1. and header x-device Exact mobile: other header or method",
      "router quoter[3]: PathPrefix /quoter.query.v1.: matches",
    ]);
    expect(legs.map(({ percent, decision }) => `${percent} ${decision.route.subset}`)).toEqual(["90 v1", "10 v2"]);
    expect(traits).toEqual({ kind: "unary", idempotent: true });
  });

  test("a sticky split tells which leg this very call takes, by the header alone", () => {
    const serviceMeta = new Map([["quote-query", { ferry_split_sticky_header: "x-user-id" }]]);
    const sticky = quoterSnapshot({ serviceMeta });
    const stickyTable = compileRouteTable(sticky);
    const chosenBy = (...fields: HeaderField[]) => {
      const { legs, stickyHeader } = explainRoute({ snapshot: sticky, table: stickyTable }, getQuote, fields);
      expect(stickyHeader).toBe("x-user-id");
      return legs.filter(({ isChosen }) => isChosen).map(({ decision }) => decision);
    };
    expect(chosenBy()).toEqual([]);
    for (let user = 0; user < 50; user++) {
      const field = new HeaderField("x-user-id", `u-${user}`);
      expect(chosenBy(field)).toEqual([resolveRoute(stickyTable, getQuote, [field], () => 0.5)]);
    }
  });

  test("no rule matches: all are told, and there are no legs", () => {
    const { rules, legs } = explainRoute({ snapshot, table }, "/nobody.Service/Call", []);
    expect(rules).toHaveLength(4);
    expect(legs).toEqual([]);
  });
});
