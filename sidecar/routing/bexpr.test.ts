import { describe, expect, test } from "vitest";
import { compileFilter } from "./bexpr.ts";
import { endpointOf } from "./testing-chain.ts";

const endpoint = endpointOf("quote-query-3", "v2", { meta: { version: "v2", zone: "eu-1", empty: "" } });

function holds(source: string): boolean {
  const filter = compileFilter(source);
  if (!filter.ok) throw new Error(filter.error);
  return filter.test(endpoint);
}

describe("compileFilter", () => {
  test.each([
    ["", true],
    ["Service.Meta.version == v2", true],
    ['Service.Meta.version == "v2"', true],
    ["Service.Meta.version == `v2`", true],
    ["Service.Meta.version == v1", false],
    ["Service.Meta.version != v1", true],
    ['Service.Meta["version"] == v2', true],
    ['Service.Meta.zone matches "^eu-[0-9]+$"', true],
    ['Service.Meta.zone not matches "us"', true],
    ['Service.Meta.zone contains "eu"', true],
    ['"eu" in Service.Meta.zone', true],
    ["zone in Service.Meta", true],
    ["nowhere not in Service.Meta", true],
    ["Service.Meta contains zone", true],
    ["Service.Meta is not empty", true],
    ["Service.Meta.empty is empty", true],
    ["Service.Tags is empty", true],
    ['"grpc" in Service.Tags', false],
    ['"grpc" not in Service.Tags', true],
    ["Service.Port == 21003", true],
    ["Service.Port != 21003", false],
    ["Service.ID == `quote-query-3` and Service.Service == `quote-query`", true],
    ["Service.Meta.version == v1 or Service.Meta.version == v2", true],
    ["Service.Meta.version == v1 or Service.Meta.version == v2 and Service.Port == 1", false],
    ["(Service.Meta.version == v1 or Service.Meta.version == v2) and not Service.Port == 1", true],
    ["not (Service.Meta.version == v2)", false],
    ["not not Service.Meta.version == v2", true],
  ])("%s is %s", (source, expected) => {
    expect(holds(source)).toBe(expected);
  });

  test.each([
    ['"canary" in Service.Tags', true],
    ["Service.Tags contains grpc", true],
    ['"other" in Service.Tags', false],
    ["Service.Tags is empty", false],
    ["Node.Meta.rack == r1", true],
    ['Node.Meta["rack"] == r2', false],
    ["Node.Meta.other is empty", true],
    ["rack in Node.Meta", true],
    ['Node.Node == "n1" and Node.Datacenter == dc1 and Node.Address == "10.0.0.9"', true],
  ])("of an instance in Consul, with tags and a node, %s is %s", (source, expected) => {
    const node = { name: "n1", address: "10.0.0.9", datacenter: "dc1", meta: { rack: "r1" } };
    const filter = compileFilter(source);
    expect(filter.ok && filter.test({ ...endpoint, tags: ["grpc", "canary"], node })).toBe(expected);
  });

  test("where there is no node, nothing equals its fields", () => {
    expect(holds("Node.Node == n1")).toBe(false);
    expect(holds("Node.Meta.rack == r1")).toBe(false);
    expect(holds("Node.Meta is empty")).toBe(true);
  });

  test("a key that Meta does not have equals nothing and is empty", () => {
    expect(holds("Service.Meta.canary == yes")).toBe(false);
    expect(holds("Service.Meta.canary != yes")).toBe(true);
    expect(holds("Service.Meta.canary is empty")).toBe(true);
    expect(holds('Service.Meta.canary matches ".*"')).toBe(false);
    expect(holds("Service.Meta.constructor is empty")).toBe(true);
  });

  test.each([
    ["Service.Nope == 1", '1:1: Selector "Service.Nope" is not valid'],
    ["Service.Meta.version = v1", '1:22: unexpected "="; equality is =='],
    ["Service.Meta.version == v1-beta", '1:27: unexpected "-"; put the value in double quotes'],
    ['Service.Meta.version == "v1', "1:25: quoted text has no end"],
    ["Service.Meta.version ==", "1:24: expected a value, found the end"],
    ["Service.Meta.version", "1:21: expected ==, !=, in, contains, matches or is, found the end"],
    ["(Service.Meta.version == v1", '1:28: expected ")", found the end'],
    ["Service.Meta.version == v1 Service.Port == 1", '1:28: expected "and", "or" or the end, found "Service.Port"'],
    ["Service.Meta.version == v1 and\n  Service.Port == x", '2:19: expected a number, found "x"'],
    ["Service.Meta == v1", '1:1: "Service.Meta" cannot be compared with ==; use "in"'],
    ["Service.Port is empty", '1:1: "Service.Port" is a number and cannot be empty'],
    ["Service.Meta.version is nothing", '1:25: expected "empty", found "nothing"'],
    ["Service.Meta.version not == v1", '1:26: expected "in", "contains" or "matches" after "not", found "=="'],
    ['Service.Meta.version matches "("', '1:30: regular expression "(": '],
    ["and", '1:1: Selector "and" is not valid'],
    [`${"(".repeat(200)}x`, "1:1: nested deeper than 100 levels"],
  ])("%s is refused: %s", (source, error) => {
    const filter = compileFilter(source);
    expect(filter.ok ? "accepted" : filter.error).toContain(error);
  });
});
