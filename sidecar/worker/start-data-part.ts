// Where it is decided whether calls are carried by this process or by workers. Called by sidecar.ts and proxy.ts. With
// one worker there is no other process and nothing between a call and its stack.

import type { DataPart, DataPartParams } from "../data-part.ts";
import { type LocalDataPartDeps, startLocalDataPart } from "../local-data-part.ts";
import { startWorkerSet } from "./worker-set.ts";

/** Resolves when all workers are ready to take connections. */
export function startDataPart(
  workers: number,
  params: DataPartParams,
  deps: Pick<LocalDataPartDeps, "log" | "want">,
): Promise<DataPart> {
  return workers === 1 ? startLocalDataPart(params, deps) : startWorkerSet(workers, params, deps);
}
