// Maglev's table: 65,537 positions that endpoints take in turn, each in an order of its own, until all are taken. The
// shares are even to a hair; when an endpoint goes, a few positions of others move too. A look-up is one division.
// Pure. (Eisenbud et al., "Maglev", NSDI 2016, section 3.4; weights as Envoy does them)

import { stringHash } from "../../common/string-hash.ts";
import type { Endpoint } from "../discovery/registry.ts";
import type { HashTable } from "./hash-table.ts";

/** A prime, so that every step width visits every position. The size that the paper and Envoy use. */
export const maglevPositions = 65_537;
const offsetSeed = 0x2545f491;
const stepSeed = 0x7f4a7c15;
const free = 0xffffffff;

interface Turn {
  readonly step: number;
  readonly weight: number;
  /** The position that it would take next, if that is free. */
  next: number;
  /** How much weight it has used up. */
  used: number;
}

/** `endpoints` in order of ids; more than positions cannot all have one. */
export function maglevTable(endpoints: readonly Endpoint[]): HashTable {
  const most = Math.max(...endpoints.map(({ weight }) => weight));
  const turns: readonly Turn[] = endpoints.map(({ id, weight }) => ({
    step: (stringHash(id, stepSeed) % (maglevPositions - 1)) + 1,
    weight,
    next: stringHash(id, offsetSeed) % maglevPositions,
    used: 0,
  }));
  const owners = new Uint32Array(maglevPositions).fill(free);
  let taken = 0;
  for (let round = 1; taken < maglevPositions; round++) {
    for (let index = 0; index < turns.length && taken < maglevPositions; index++) {
      const turn = turns[index]!;
      // One of half the greatest weight takes part in every other round.
      if (round * turn.weight < turn.used + most) continue;
      turn.used += most;
      const { step } = turn;
      let { next } = turn;
      while (owners[next] !== free) {
        next += step;
        if (next >= maglevPositions) next -= maglevPositions;
      }
      turn.next = next;
      owners[next] = index;
      taken++;
    }
  }
  return { owners, positionOf: (hash) => hash % maglevPositions };
}
