// Prints what one route decision costs, in nanoseconds: `node bench/micro/route.ts`. Each case is the best of five runs
// of a million decisions on the quoter's edge routes, beside an empty loop over the same arguments.

import { availableParallelism, cpus } from "node:os";
import { seededRandom } from "../../common/random.ts";
import { HeaderField } from "../../sidecar/http2/header-field.ts";
import { compileRouteTable, type RouteTable, resolveRoute } from "../../sidecar/routing/route-table.ts";
import { quoterChain, quoterSnapshot } from "../../sidecar/routing/testing-chain.ts";

const rounds = 1_000_000;
const fields = [
  new HeaderField(":method", "POST"),
  new HeaderField(":scheme", "http"),
  new HeaderField(":path", "/"),
  new HeaderField(":authority", "quoter"),
  new HeaderField("content-type", "application/grpc"),
  new HeaderField("te", "trailers"),
  new HeaderField("grpc-timeout", "1S"),
  new HeaderField("user-agent", "grpc-node-js/1.14.7"),
];
const mobile = [...fields, new HeaderField("x-device", "mobile")];
const random = seededRandom(1);
const table = compileRouteTable(quoterSnapshot());
const regexTable = compileRouteTable(quoterSnapshot({ chain: chainWithHeaderRegex() }));
const stickyMeta = new Map([["quote-query", { ferry_split_sticky_header: "x-user-id" }]]);
const stickyTable = compileRouteTable(quoterSnapshot({ serviceMeta: stickyMeta }));
const user = [...fields, new HeaderField("x-user-id", "0f8fad5b-d9cb-469f-a165-70867728950e")];
const getQuote = "/quoter.query.v1.QuoteQueryService/GetQuote";

function chainWithHeaderRegex() {
  const start = quoterChain.StartNode;
  const NextNode = "resolver:quote-command.default.default.dc1";
  const Header = [{ Name: "user-agent", Regex: ".*(curl|wget)/[0-9.]+" }];
  const Routes = [{ Definition: { Match: { HTTP: { Header } } }, NextNode }, { NextNode }];
  return { ...quoterChain, Nodes: { ...quoterChain.Nodes, [start]: { Type: "router" as const, Name: "x", Routes } } };
}

function bestNs(run: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  let kept = 0;
  for (let attempt = 0; attempt < 5; attempt++) {
    const beganAt = process.hrtime.bigint();
    for (let i = 0; i < rounds; i++) if (run() !== undefined) kept++;
    best = Math.min(best, Number(process.hrtime.bigint() - beganAt) / rounds);
  }
  if (kept < 0) console.log(kept);
  return best;
}

// Equal strings that are not the same object, as paths of different connections are.
const fresh = Array.from({ length: 1_024 }, () => Buffer.from(getQuote).toString("latin1"));
let next = 0;

const cases: [string, () => unknown][] = [
  ["empty loop", () => fields],
  ["path only", () => resolveRoute(table, "/quoter.command.v1.QuoteCommandService/SubmitQuote", fields, random)],
  ["header test, then split 90/10", () => resolveRoute(table, getQuote, fields, random)],
  ["header test, then sticky split, UUID", () => resolveRoute(stickyTable, getQuote, user, random)],
  ["header test, then sticky split, no id", () => resolveRoute(stickyTable, getQuote, fields, random)],
  ["header test that matches", () => resolveRoute(table, getQuote, mobile, random)],
  ["no route", () => resolveRoute(table, "/nobody.Service/Call", fields, random)],
  ["header test by regex", () => resolveRoute(regexTable, getQuote, fields, random)],
  ["path from 1,024 equal strings", () => resolveRoute(table, fresh[next++ & 1_023]!, fields, random)],
  ["path never seen before (no memory)", () => planless(regexTable)],
];

function planless(of: RouteTable): unknown {
  of.paths.clear();
  return resolveRoute(of, getQuote, fields, random);
}

console.log(`${cpus()[0]?.model ?? "cpu"}, ${availableParallelism()} cores, node ${process.version}`);
for (const [name, run] of cases) console.log(`${bestNs(run).toFixed(1).padStart(8)} ns  ${name}`);
