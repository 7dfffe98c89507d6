// Least request: of some endpoints by chance, the one with the fewest calls under way for its weight; of equals the one
// that was drawn first, and drawing is by weight. Pure.

import { type Ask, drawMember, type Member, type Picker, weightOf } from "./pick-pool.ts";

/** `choices`: how many are drawn. */
export function pickLeastRequest(choices: number): Picker {
  return (pool, ask) => {
    const { members } = pool;
    let best = drawMember(pool, ask, -1);
    if (best === -1) return -1;
    for (let choice = 1; choice < choices; choice++) {
      const other = drawMember(pool, ask, best);
      if (other === -1) break;
      if (isLessBusy(members[other]!, members[best]!, ask)) best = other;
    }
    return best;
  };
}

function isLessBusy(other: Member, best: Member, ask: Ask): boolean {
  const otherWeight = weightOf(other, ask);
  const bestWeight = weightOf(best, ask);
  if (otherWeight === bestWeight) return other.state.active < best.state.active;
  // With one call more it must still be less busy: else the lighter one would get each call that comes while a single
  // one is under way at the heavier.
  return (other.state.active + 1) / otherWeight < best.state.active / bestWeight;
}
