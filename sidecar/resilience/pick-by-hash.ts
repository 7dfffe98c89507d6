// Ring hash and maglev: a call goes to the owner of its hash; when that one may not be picked, to the owner of the next
// position, so that the keys of an ejected endpoint are shared among all others and come back with it. A call without a
// hash goes to any. Pure.

import { type Ask, mayPick, type Pool } from "./pick-pool.ts";
import { pickRandom } from "./pick-random.ts";

/** Positions looked at before members are looked through in order; only where hardly any member is left. */
const maxSteps = 256;

export function pickByHash(pool: Pool, ask: Ask): number {
  const { members, table } = pool;
  const { hash } = ask;
  if (hash === undefined || table === undefined) return pickRandom(pool, ask);
  const { owners } = table;
  const start = table.positionOf(hash);
  for (let step = 0; step < maxSteps; step++) {
    const owner = owners[(start + step) % owners.length]!;
    if (mayPick(members[owner]!, ask)) return owner;
  }
  for (let step = 0; step < members.length; step++) {
    const index = (hash + step) % members.length;
    if (mayPick(members[index]!, ask)) return index;
  }
  return -1;
}
