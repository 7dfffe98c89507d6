import { expect, test } from "vitest";
import { quoterSnapshot } from "../routing/testing-chain.ts";
import { InForce } from "./in-force.ts";

test("of each upstream the last snapshot counts", () => {
  const inForce = new InForce();
  const first = quoterSnapshot();
  inForce.note({ kind: "snapshot", snapshot: first });
  inForce.note({ kind: "snapshot", snapshot: { ...first, upstream: "other" } });
  inForce.note({ kind: "snapshot", snapshot: { ...first, revision: 7 } });
  expect(inForce.snapshots().map(({ upstream, revision }) => [upstream, revision])).toEqual([
    [first.upstream, 7],
    ["other", first.revision],
  ]);
});

test("facts of the edge that were not told again stay", () => {
  const inForce = new InForce();
  const services = new Map([["a", ["x.A"]]]);
  inForce.note({ kind: "edge", facts: { services } });
  inForce.note({ kind: "edge", facts: { isDraining: true } });
  expect(inForce.updates()).toEqual([{ kind: "edge", facts: { services, isDraining: true } }]);
});
