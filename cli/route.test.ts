// `ferry route` as a process, on a home whose registry has instances that answer reflection, and on a copy of
// mesh-config/. Each test starts a process or several, and so takes a second or more.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DescFile } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { ferry, root } from "../e2e/testing/ferry.ts";
import { file_quoter_query_v1_quote_query_service } from "../gen/quoter/query/v1/quote_query_service_pb.ts";
import { DirectoryRegistry } from "../sidecar/discovery/directory/directory-registry.ts";
import { reflectionServer } from "./grpc/testing/reflection-server.ts";

function withImports(file: DescFile): readonly DescFile[] {
  return [...new Set([file, ...file.dependencies.flatMap(withImports)])];
}

const query = "quoter.query.v1.QuoteQueryService";
// A busy machine starts a process in seconds.
vi.setConfig({ testTimeout: 60_000 });

let home: string;
let meshConfig: string;
let port: number;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "ferry-route-"));
  const server = await reflectionServer("v1", withImports(file_quoter_query_v1_quote_query_service));
  port = server.address.port;
  const registry = new DirectoryRegistry({ root: join(home, "registry") });
  for (const [id, version] of [
    ["quote-query-v1-1", "v1"],
    ["quote-query-v1-2", "v1"],
    ["quote-query-v2-1", "v2"],
  ] as const) {
    const handle = await registry.register({
      ...{ id, service: "quote-query", version, host: "127.0.0.1", port, weight: 1, admin: "127.0.0.1:1" },
      ...{ meta: { ferry_grpc_services: query }, appPid: 0, sidecarPid: process.pid },
    });
    if (id !== "quote-query-v1-2") await handle.setHealth("passing", "");
    ends.push(() => handle.deregister());
  }
  ends.push(
    () => registry.close(),
    () => server.close(),
  );
});
afterAll(async () => {
  for (const end of ends) await end();
  rmSync(home, { recursive: true });
});
beforeEach(() => {
  meshConfig = join(home, "mesh-config");
  rmSync(meshConfig, { recursive: true, force: true });
  cpSync(join(root, "mesh-config"), meshConfig, { recursive: true });
});

function route(...words: string[]) {
  return ferry(["route", ...words, "--mesh-config", meshConfig], { home });
}

function addTo(file: string, fields: object): void {
  const path = join(meshConfig, file);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...fields }));
}

test("without --explain one line says which rule, which shares and how many endpoints", async () => {
  const split = await route(`${query}/GetQuote`);
  expect(split).toMatchObject({ code: 0, stderr: "" });
  expect(split.stdout).toBe("router quoter[3]: 90% quote-query v1 (1 endpoint), 10% quote-query v2 (1 endpoint)\n");
  const mobile = await route(`${query}/GetQuote`, "-H", "x-device:mobile");
  expect(mobile.stdout).toBe("router quoter[2]: 100% quote-query v2 (1 endpoint)\n");
});

test("--explain shows rules with their verdicts, endpoints with their health, the method, and settings", async () => {
  addTo("service-defaults/quote-query.json", {
    Meta: {
      ferry_retries: "1",
      [`ferry_retries:${query}/GetQuote`]: "4",
      "ferry_eject_base:quoter.query.v1.Other/*": "9s",
    },
  });
  addTo("proxy-defaults/global.json", { Config: { protocol: "grpc", ferry_eject_base: "3s" } });
  const { code, stdout } = await route("--explain", `${query}/GetQuote`);
  expect(code).toBe(0);
  const words = stdout.replaceAll(/ {2,}/g, " | ").split("\n");
  expect(words[0]).toBe(
    `method | ${query}/GetQuote: unary, idempotent (reflection of quote-query-v1-1, quote-query-v2-1)`,
  );
  expect(words).toContain("router quoter[0] | other path | PathPrefix /quoter.command.");
  const mobiles = "PathPrefix /quoter.query.v1. and header x-device Exact mobile";
  expect(words).toContain(`router quoter[2] | other header or method | ${mobiles}`);
  expect(words).toContain("router quoter[3] | matches | PathPrefix /quoter.query.v1.");
  const leg = "90% | quote-query v1 | (router quoter[3] > splitter quote-query 90% > quote-query v1)";
  expect(words).toContain(leg);
  expect(words).toContain(` | quote-query-v1-1 | 127.0.0.1:${port} | v1 | passing`);
  expect(words).toContain(` | quote-query-v1-2 | 127.0.0.1:${port} | v1 | critical | gets no calls`);
  expect(words).toContain("settings for quote-query v1 and quote-query v2");
  const own = `service-defaults quote-query Meta ferry_retries:${query}/GetQuote`;
  expect(words).toContain(` | ferry_retries | 4 | ${own}`);
  expect(words).toContain(" | ferry_eject_base | 3s | proxy-defaults global Config ferry_eject_base");
  expect(words).toContain(" | ferry_eject_max | 1m | default");
});

test("--json gives the same as data", async () => {
  addTo("service-router/quoter.json", {
    Routes: [{ Destination: { Service: "quote-query", ServiceSubset: "v2", NumRetries: 3 } }],
  });
  const { code, json, stdout } = await route("--explain", `${query}/WatchQuotes`, "--json", "-H", "a: b");
  expect(code).toBe(0);
  expect(stdout.trim().split("\n")).toHaveLength(1);
  expect(json).toMatchObject({
    ...{ command: "route", ok: true, upstream: "quoter", method: `${query}/WatchQuotes`, headers: ["a: b"] },
    ...{ kind: "server_streaming", idempotent: true },
    rules: [{ rule: "router quoter[0]", condition: "every call", verdict: "matches" }],
    legs: [
      {
        ...{ percent: 100, isChosen: true, service: "quote-query", subset: "v2", isIdempotent: true },
        targets: [
          {
            id: "v2.quote-query.default.default.dc1",
            endpoints: [{ id: "quote-query-v2-1", version: "v2", health: "passing", mayBeCalled: true }],
          },
        ],
      },
    ],
  });
  const origin = "service-router quoter Routes[0] NumRetries";
  expect(json?.legs[0].settings).toContainEqual({ key: "ferry_retries", value: "3", origin });
});

test("failover targets are shown in order, and what a sticky split makes of this very call", async () => {
  addTo("service-resolver/quote-query.json", { Failover: { v1: { ServiceSubset: "v2" } } });
  addTo("service-defaults/quote-query.json", { Meta: { ferry_split_sticky_header: "x-user-id" } });
  const { json } = await route("--explain", `${query}/GetQuote`, "--json", "-H", "x-user-id: u-1");
  const targets = json?.legs[0].targets.map(({ id }: { id: string }) => id);
  expect(targets).toEqual(["v1.quote-query.default.default.dc1", "v2.quote-query.default.default.dc1"]);
  expect(json?.legs.filter(({ isChosen }: { isChosen: boolean }) => isChosen)).toHaveLength(1);
  const line = (await route(`${query}/GetQuote`, "-H", "x-user-id: u-1")).stdout;
  expect(line).toMatch(/; this call goes to quote-query v[12], by x-user-id\n$/);
});

test("--upstream names whose chain it is; a method that no descriptor has is unknown", async () => {
  const { code, stdout } = await route("--explain", `${query}/Nothing`, "--upstream", "quote-query");
  expect(code).toBe(0);
  expect(stdout).toContain("Nothing: unknown (no instance serves it, by reflection of quote-query-v1-1, ");
  expect(stdout).toContain("a call that may have run is not sent again");
});

test("no rule: it says so and ends with 1", async () => {
  const done = await route("quoter.nobody.v1.Service/Call", "--json");
  expect(done).toMatchObject({ code: 1, json: { ok: false, legs: [] } });
  expect(done.stderr).toBe(
    "ferry: no rule of quoter takes quoter.nobody.v1.Service/Call; a call would end with no_route\n",
  );
});

test("what is wrong is one sentence: the method's form, an unknown name, a file's mistake, no directory", async () => {
  expect(await route("GetQuote")).toMatchObject({
    code: 2,
    stderr:
      "ferry: method: expected package.Service/Method, as quoter.query.v1.QuoteQueryService/GetQuote, found GetQuote\n",
  });
  const unknown = "nothing is known of quote-qery: no entry names it and no instance is registered";
  expect(await route(`${query}/GetQuote`, "--upstream", "quote-qery")).toMatchObject({
    code: 1,
    stderr: `ferry: ${unknown}; did you mean quote-query?\n`,
  });
  addTo("service-defaults/quote-query.json", { Meta: { ferry_retrys: "1" } });
  const mistake = await route(`${query}/GetQuote`);
  expect(mistake.code).toBe(1);
  expect(mistake.stderr).toContain("service-defaults/quote-query.json: Meta.ferry_retrys: expected a key that exists");
  expect(mistake.stderr).toContain("did you mean ferry_retries?");
  rmSync(meshConfig, { recursive: true });
  expect((await route(`${query}/GetQuote`)).stderr).toContain("ferry: --mesh-config: expected a directory");
});
