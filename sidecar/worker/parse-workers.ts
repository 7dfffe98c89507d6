// How a number of workers is written, in FERRY_WORKERS and `ferry proxy --workers` alike.

import { availableParallelism } from "node:os";
import { parseInteger } from "../../common/settings.ts";

export const maxWorkers = 64;

/** A number, or `auto`: as many as there are cores for this process. Throws an Error with the expected form. */
export function parseWorkers(text: string): number {
  if (text === "auto") return Math.min(maxWorkers, availableParallelism());
  try {
    return parseInteger(1, maxWorkers)(text);
  } catch {
    throw new Error(`a whole number from 1 to ${maxWorkers}, or auto for one a core`);
  }
}
