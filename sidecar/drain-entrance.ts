// The end of a listener that nobody notices: GOAWAY, then wait. Calls that are not over in time end with a status that
// says so, not with a cut connection. Used by local-data-part.ts.

import type { Clock } from "../common/clock.ts";
import type { DrainParams } from "./data-part.ts";
import type { LocalEntrance } from "./data-plane.ts";
import { ProxyFailure } from "./failure.ts";

/** What the last status of a call that is cut off may take to reach its caller. */
const lastWordsMs = 500;

export async function drainEntrance(
  { listening, calls }: LocalEntrance,
  params: DrainParams & { readonly clock: Clock },
): Promise<void> {
  const { graceMs, clock, hurry } = params;
  const endAll = () =>
    calls.endAll(new ProxyFailure("drain_timeout", "", `not over ${graceMs} ms after the sidecar began to shut down`));
  const timer = clock.after(hurry.aborted ? 0 : graceMs, endAll);
  hurry.addEventListener("abort", endAll, { once: true });
  await listening.drain(graceMs + lastWordsMs);
  timer.cancel();
  hurry.removeEventListener("abort", endAll);
}
