// By chance and weight alone. Pure.

import { type Ask, drawMember, type Pool } from "./pick-pool.ts";

export function pickRandom(pool: Pool, ask: Ask): number {
  return drawMember(pool, ask, -1);
}
