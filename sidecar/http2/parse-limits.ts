// Limits as people write them: `maxConcurrentStreams=256,idleMs=60000`, names from limits.ts. Read by the setting
// FERRY_LIMITS and by `ferry proxy --limits`. Pure.

import { nearestName } from "../../common/nearest-name.ts";
import { parseInteger } from "../../common/settings.ts";
import { type Limit, type LimitName, type Limits, limitRows } from "./limits.ts";

/** What a row allows where it says nothing. */
const bounds = { min: 0, max: 2 ** 31 - 1 } as const;

/** The least and the most that a limit may be set to. */
export function limitBounds({ min = bounds.min, max = bounds.max }: Limit): {
  readonly min: number;
  readonly max: number;
} {
  return { min, max };
}

/**
 * The limits that `text` sets, each at most once; those it does not name keep their defaults. Throws an Error whose
 * message is the expected form, or `no limit is named …`.
 */
export function parseLimits(text: string): Partial<Limits> {
  const limits: Partial<Record<LimitName, number>> = {};
  for (const part of text.split(",")) {
    const [name = "", value = "", rest] = part.split("=").map((side) => side.trim());
    if (name === "" || value === "" || rest !== undefined) {
      throw new Error("a list of name=number, as maxConcurrentStreams=256,idleMs=60000");
    }
    if (!isLimitName(name)) throw new Error(unknownLimit(name));
    if (name in limits) throw new Error(`${name} only once`);
    const { min, max } = limitBounds(limitRows[name]);
    try {
      limits[name] = parseInteger(min, max)(value);
    } catch (error) {
      throw new Error(`${name} to be ${(error as Error).message}`);
    }
  }
  return limits;
}

function isLimitName(name: string): name is LimitName {
  return Object.hasOwn(limitRows, name);
}

function unknownLimit(name: string): string {
  const nearest = nearestName(name, Object.keys(limitRows));
  return `no limit is named ${name}${nearest === undefined ? "" : `; did you mean ${nearest}?`}`;
}
