// P2C peak EWMA: of two endpoints by chance, the one where a call costs less (endpoint-load.ts). Two choices avoid a
// slow endpoint almost as well as a look at all of them, and a herd of callers never goes for the same one. Pure.
//
// Hot: runs once for every try; the first branch is the usual one (bench/micro/balance.ts).

import { type Ask, drawMember, type Member, mayPick, type Pool, weightOf } from "./pick-pool.ts";

/**
 * Where weights differ the first is drawn by weight, and the second must be clearly better: by this factor. Else
 * weights would mean nothing, since of two endpoints that are equally fast one is always a little faster.
 */
const margin = 3;

export function pickPeakEwma(pool: Pool, ask: Ask): number {
  const { members } = pool;
  const isEven = pool.upTo === undefined && ask.slowStartMs === 0;
  if (isEven && members.length > 1) {
    const first = Math.floor(ask.random() * members.length);
    let second = Math.floor(ask.random() * (members.length - 1));
    if (second >= first) second++;
    if (mayPick(members[first]!, ask) && mayPick(members[second]!, ask)) {
      return isCheaper(members[second]!, members[first]!, ask) ? second : first;
    }
  }
  const first = drawMember(pool, ask, -1);
  if (first === -1) return -1;
  const second = drawMember(pool, ask, first);
  if (second === -1) return first;
  return isCheaper(members[second]!, members[first]!, ask) ? second : first;
}

function isCheaper(second: Member, first: Member, ask: Ask): boolean {
  const firstWeight = weightOf(first, ask);
  const secondWeight = weightOf(second, ask);
  // Calls under way at the heavier of the two count for less, by as much as it is heavier.
  const lighter = Math.min(firstWeight, secondWeight);
  const firstCost = first.state.load.cost((first.state.active * lighter) / firstWeight, ask.method, ask.nowMs);
  const secondCost = second.state.load.cost((second.state.active * lighter) / secondWeight, ask.method, ask.nowMs);
  return secondCost * (firstWeight === secondWeight ? 1 : margin) < firstCost;
}
