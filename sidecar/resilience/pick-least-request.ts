// Least request: of some endpoints by chance, the one with the fewest calls under way for its weight; of equals the one
// that was drawn first, and drawing is by weight. Pure.

import { drawMember, type Picker, type Pool } from "./pick-pool.ts";

/** `choices`: how many are drawn. */
export function pickLeastRequest(choices: number): Picker {
  return (pool, ask) => {
    let best = drawMember(pool, ask, -1);
    if (best === -1) return -1;
    for (let choice = 1; choice < choices; choice++) {
      const other = drawMember(pool, ask, best);
      if (other === -1) break;
      if (activeOf(pool, other) < activeOf(pool, best)) best = other;
    }
    return best;
  };
}

function activeOf({ members }: Pool, index: number): number {
  const { state, weight } = members[index]!;
  return state.active / weight;
}
