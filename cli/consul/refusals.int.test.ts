// What a real agent says to entries that it refuses, and what we make of it: the texts in refusals.ts are Consul's.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConsulAgent, rootToken, startConsul } from "../../sidecar/discovery/consul/testing/consul-agent.ts";
import type { ConfigEntry } from "../../sidecar/routing/mesh-config/config-entry.ts";
import { entryChanges, writeEntries } from "./entry-writes.ts";

const defaults = (Name: string, Protocol = "grpc"): ConfigEntry => ({ Kind: "service-defaults", Name, Protocol });
const entry = (Kind: string, Name: string, fields: object) => ({ Kind, Name, ...fields }) as ConfigEntry;
const v1 = { Filter: "Service.Meta.version == v1" };

describe("on an agent without ACLs", () => {
  let agent: ConsulAgent;
  beforeAll(async () => {
    agent = await startConsul();
    for (const name of ["a", "b", "c", "d"]) await agent.write({ ...defaults(name) });
    await agent.write({ Kind: "service-resolver", Name: "a", Subsets: { v1 } });
  });
  afterAll(() => agent?.remove());

  async function write(...entries: ConfigEntry[]) {
    const { changes } = await entryChanges(agent.client, entries);
    return writeEntries(agent.client, changes);
  }

  const splitter = (...Splits: object[]) => entry("service-splitter", "a", { Splits });
  const router = (name: string, route: object) => entry("service-router", name, { Routes: [route] });
  const toA = { Match: { HTTP: { PathPrefix: "/a/" } }, Destination: { Service: "a" } };

  test.each<[string, readonly ConfigEntry[], object]>([
    [
      "weights that sum to 90",
      [splitter({ Weight: 60, ServiceSubset: "v1" }, { Weight: 30, Service: "b" })],
      { path: "Splits", expected: "weights that sum to 100", found: "90" },
    ],
    [
      "a subset that the resolver lacks",
      [splitter({ Weight: 60, ServiceSubset: "v1" }, { Weight: 40, ServiceSubset: "v9" })],
      { path: "Splits[1].ServiceSubset", found: 'service "a" does not have a subset named "v9"' },
    ],
    [
      "a destination twice",
      [splitter({ Weight: 60, ServiceSubset: "v1" }, { Weight: 40, ServiceSubset: "v1" })],
      { path: "Splits", expected: "each destination once" },
    ],
    [
      "a router of a tcp service",
      [defaults("t", "tcp"), router("t", { Destination: { Service: "t" } })],
      { path: "", found: 'the protocol "tcp"', suggestion: expect.stringContaining('"Protocol": "grpc"') },
    ],
    [
      "a router from tcp to grpc",
      [defaults("t2", "tcp"), router("t2", toA)],
      {
        path: "Routes[0].Destination.Service",
        found: 'service "a" has "grpc" which is not "tcp"',
        suggestion: expect.stringContaining("the same Protocol"),
      },
    ],
    [
      "splitters that lead to each other",
      ["c", "d"].map((name) =>
        entry("service-splitter", name, { Splits: [{ Weight: 100, Service: name === "c" ? "d" : "c" }] }),
      ),
      { expected: "references that end", found: expect.stringContaining("detected circular reference") },
    ],
    [
      "a filter that is none",
      [entry("service-resolver", "b", { Subsets: { v1: { Filter: "Service.Meta.version =" } } })],
      { path: "Subsets.v1.Filter", expected: "a filter as Service.Meta.version == v1" },
    ],
    [
      "a default subset that is none",
      [entry("service-resolver", "b", { DefaultSubset: "x" })],
      { path: "DefaultSubset" },
    ],
    [
      "a balancer with what is not its own",
      [entry("service-resolver", "b", { LoadBalancer: { Policy: "random", HashPolicies: [{ SourceIP: true }] } })],
      { path: "LoadBalancer" },
    ],
    [
      "a bad duration",
      [router("a", { Destination: { RequestTimeout: "soon" } })],
      {
        path: "Routes[0].Destination.RequestTimeout",
        found: '"soon"',
      },
    ],
    ["a bad route", [router("a", { Match: { HTTP: { PathPrefix: "a/" } } })], { path: "Routes[0]" }],
    ["an unknown field", [entry("service-router", "a", { Bogus: 1, Routes: [] })], { path: "Bogus" }],
    ["an unknown protocol", [defaults("b", "smoke")], { path: "Protocol", found: "smoke" }],
  ])("%s", async (_, entries, problem) => {
    const { problems } = await write(...entries);
    expect(problems).toHaveLength(1);
    const last = entries.at(-1);
    expect(problems[0]).toMatchObject({ file: `${last?.Kind}/${last?.Name}.json`, ...problem });
  });

  test("an entry that changed between read and write is a conflict and stays as somebody wrote it", async () => {
    const { changes } = await entryChanges(agent.client, [defaults("b", "http2"), defaults("new")]);
    expect(changes.map(({ action }) => action)).toEqual(["update", "create"]);
    await agent.write({ ...defaults("b"), Meta: { ferry_retries: "2" } });
    await agent.write({ ...defaults("new", "http") });
    const { written, problems } = await writeEntries(agent.client, changes);
    expect(written).toEqual([]);
    const conflict = { path: "", expected: "the entry as it was read", suggestion: "run `ferry diff` again" };
    expect(problems).toEqual([
      { ...conflict, file: "service-defaults/b.json", found: "an entry that somebody else changed" },
      { ...conflict, file: "service-defaults/new.json", found: "an entry that somebody else created" },
    ]);
    expect(await agent.client.json({ path: "config/service-defaults/b" })).toMatchObject({ Protocol: "grpc" });
    expect(await agent.client.json({ path: "config/service-defaults/new" })).toMatchObject({ Protocol: "http" });
  });

  test("what refers to a later file, and what takes away what another refers to, is written in one go", async () => {
    const resolver = (name: string, fields: object) => entry("service-resolver", name, fields);
    const split = (...subsets: string[]) =>
      entry("service-splitter", "y", {
        Splits: subsets.map((ServiceSubset) => ({ Weight: 100 / subsets.length, ServiceSubset })),
      });
    const first = [
      resolver("x", { Redirect: { Service: "y", ServiceSubset: "v2" } }),
      resolver("y", { Subsets: { v1, v2: v1, v3: v1 } }),
      router("x", { Destination: { Service: "y", ServiceSubset: "v1" } }),
      split("v2", "v3"),
      defaults("x"),
      defaults("y"),
    ];
    expect((await write(...first)).problems).toEqual([]);
    const second = [resolver("y", { Subsets: { v1, v2: v1 } }), split("v1", "v2")];
    const { written, problems } = await write(...second);
    expect(problems).toEqual([]);
    expect(written.map(({ file }) => file)).toEqual(["service-splitter/y.json", "service-resolver/y.json"]);
  });
});

test("with ACLs, what the token may not do is named with the permission that it lacks", async () => {
  const agent = await startConsul({ hasAcl: true });
  try {
    await agent.write({ ...defaults("b") });
    const policy = { Name: "team-a", Rules: 'service "a" { policy = "write" }' };
    await agent.client.expectOk({ method: "PUT", path: "acl/policy", body: policy });
    const body = { Policies: [{ Name: "team-a" }] };
    const token = (await agent.client.json({ method: "PUT", path: "acl/token", body })) as { SecretID: string };
    const client = agent.connect(token.SecretID);
    const global = entry("proxy-defaults", "global", { Config: { protocol: "grpc" } });
    const { changes, problems: hidden } = await entryChanges(client, [global, defaults("a"), defaults("b")]);
    expect(hidden).toMatchObject([
      { file: "service-defaults/b.json", suggestion: expect.stringContaining("CONSUL_HTTP_TOKEN") },
    ]);
    expect(hidden[0]?.found).toMatch(/lacks permission 'service:read' on "b"/);
    const { written, problems } = await writeEntries(client, changes);
    expect(written).toEqual([{ file: "service-defaults/a.json", action: "create" }]);
    expect(problems.map(({ file, found }) => [file, /lacks permission '([^']*)'/.exec(found)?.[1]])).toEqual([
      ["proxy-defaults/global.json", "mesh:write"],
    ]);
    expect(JSON.stringify([hidden, problems])).not.toContain(token.SecretID);
    expect(JSON.stringify([hidden, problems])).not.toContain(rootToken);
  } finally {
    await agent.remove();
  }
});
