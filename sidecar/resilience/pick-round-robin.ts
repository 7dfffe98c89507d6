// Round robin over the members of a pool, each in turn as often as its weight says. Who may not be picked is passed
// over and the next in line takes the turn; the turn then goes on after that one, so that a neighbour of an ejected
// endpoint does not get two shares. Pure but for the turn.

import { type Ask, isWarmEnough, mayPick, type Pool, warmestOf } from "./pick-pool.ts";

export function pickRoundRobin(pool: Pool, ask: Ask): number {
  const { members, turns } = pool;
  const count = turns.length;
  const warmest = ask.slowStartMs === 0 ? 1 : warmestOf(members, ask);
  let cold = -1;
  for (let i = 0; i < count; i++) {
    const turn = (pool.turn + i) % count;
    const index = turns[turn]!;
    if (!mayPick(members[index]!, ask)) continue;
    if (isWarmEnough(members[index]!, ask, warmest)) {
      pool.turn = turn + 1;
      return index;
    }
    if (cold === -1) cold = index;
  }
  return cold;
}

/** An endpoint has no more turns in one round; more would make the list long and the share hardly truer. */
const maxTurns = 100;

/** Indices of members in the order of their turns, spread so that a heavy one does not get its turns in a row. */
export function turnsOf(weights: readonly number[]): readonly number[] {
  const most = Math.max(...weights);
  if (weights.every((weight) => weight === most)) return weights.map((_, index) => index);
  // Who has any weight keeps one turn.
  const scale = Math.min(1, maxTurns / most);
  const turns: number[] = [];
  for (let round = 0; round < Math.ceil(most * scale); round++) {
    for (const [index, weight] of weights.entries()) if (round < Math.max(1, weight * scale)) turns.push(index);
  }
  return turns;
}
