// Keeps a caller on its side of a split by the hash of a header. Called by route-table.ts: `compileSticky` once for the
// legs of a path, `pickSticky` once per call that bears the header. Pure.
//
// Deterministic across sidecars, gateways and restarts: the hash has no seed of the process, and a side is known by the
// names of splitter, service and subset, never by its position. So every router rule that leads to the same splitter,
// at whatever upstream, keeps a caller on the same side.
//
// The choice is by weighted rendezvous: each leg draws a number by hash, -ln(u)/weight, and the smallest wins. A
// caller then moves from one leg to another only if the other's weight grew in proportion to that of the one it
// leaves, whatever the order of the legs: at 90/10 -> 80/20 nobody on the 10 moves, and 10 % of all do.
//
// Hot: pickSticky costs one pass over the value and a logarithm for each leg (bench/micro/route.ts).

import { mixBits, stringHash } from "../../common/string-hash.ts";
import { displayName, type Leg } from "./route-leg.ts";
import type { Snapshot } from "./snapshot.ts";

/** What makes the split of a rule sticky. */
export interface StickySplit {
  /** Lower case. */
  readonly header: string;
  /** The splitter's name, as `quote-query`. */
  readonly splitter: string;
}

/** A sticky split, ready for calls: its legs by index. */
export interface StickyLegs {
  readonly header: string;
  readonly seeds: readonly number[];
  readonly weights: readonly number[];
}

/**
 * The sticky split that begins at `nextNode`; undefined: there is no splitter, or it goes by chance. The splitter's own
 * service says, or, when none of its instances are called, the service that its first leg leads to. `legs` are those of
 * the rule.
 */
export function stickySplitOf(snapshot: Snapshot, nextNode: string, legs: readonly Leg[]): StickySplit | undefined {
  const node = snapshot.chain.Nodes[nextNode];
  if (node?.Type !== "splitter") return undefined;
  const splitter = displayName(node.Name);
  const policy = snapshot.policies[splitter] ?? legs[0]?.policy;
  const header = policy?.all.split.stickyHeader ?? "";
  return header === "" ? undefined : { header, splitter };
}

export function compileSticky({ header, splitter }: StickySplit, legs: readonly Leg[]): StickyLegs {
  const seen = new Map<string, number>();
  const seeds = legs.map(({ common: { service, subset } }) => {
    const name = `${splitter} ${service} ${subset}`;
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return stringHash(count === 1 ? name : `${name} ${count}`, hashSeed);
  });
  return { header, seeds, weights: legs.map((leg) => leg.weight) };
}

/** Part of the contract between sidecars, as the hash is; not the balancers' seed, which hash the same headers. */
const hashSeed = 0x73706c69;

/** The index of the leg that calls with this header value go to. */
export function pickSticky({ seeds, weights }: StickyLegs, value: string): number {
  const hash = stringHash(value, hashSeed);
  let best = 0;
  let smallest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < seeds.length; i++) {
    const draw = (mixBits(hash ^ seeds[i]!) + 0.5) / 4_294_967_296;
    const score = -Math.log(draw) / weights[i]!;
    if (score < smallest) {
      smallest = score;
      best = i;
    }
  }
  return best;
}
