// What a class of attacks is: how it is played and what must have come of it. The classes are in classes/; play.ts
// plays them and watches the proxy's memory and the other client.

import type { BackendReport } from "./backend-thread.ts";
import { codeName } from "./octets.ts";
import { RawClient, type RawOptions } from "./raw-client.ts";

/** What a class has in hand. */
export interface Arena {
  readonly port: number;
  /** A client of this class, from the class's own address; closed when the class is over. */
  open(options?: RawOptions): Promise<RawClient>;
  /** Has the proxy's memory read now, while the attack holds what it can; gives the growth in MB. */
  readMemory(): Promise<number>;
  backend(): Promise<BackendReport>;
  readonly log: (text: string) => void;
}

/** How an attack ended. */
export interface Outcome {
  /** The answer, as `GOAWAY ENHANCE_YOUR_CALM ping_flood`, `RST_STREAM PROTOCOL_ERROR`, `431`. */
  readonly code: string;
  /** From the attack's first octet to the end of its connection; null when that stays open by right. */
  readonly closedMs: number | null;
  /** Why the attack was not refused as it must be; undefined when it was. */
  readonly problem?: string | undefined;
}

export interface AttackClass {
  readonly name: string;
  /** Where the class comes from: a CVE, or a number of the list of criteria in words. */
  readonly source: string;
  /** Waits for timeouts of the proxy: begun in turn, each with its reading of memory, and waited for together. */
  readonly isSlow?: boolean;
  /** Waits for minutes: begun before all others. */
  readonly isSlowest?: boolean;
  /** Asks so much of the proxy or its backend that others at the same time would suffer: played alone, at the end. */
  readonly isDisruptive?: boolean;
  /** Left out by `--quick`. */
  readonly isLong?: boolean;
  /** Its memory counts only after its end: what it holds is what it was allowed to hold. */
  readonly mayHold?: string;
  /** What it left is judged by what the process uses and not by what it keeps from the system; the reason. */
  readonly judgedByUse?: string;
  play(arena: Arena): Promise<Outcome>;
}

export interface Refusal {
  /** Codes of GOAWAY, one of which must come. */
  readonly codes: readonly number[];
  /** What GOAWAY's debug text must begin with; undefined: anything. */
  readonly reasons?: readonly string[];
  /** From `sinceMs` to the end of the connection. */
  readonly withinMs: number;
  readonly sinceMs: number;
}

/** Waits for the end of the connection and judges it. */
export async function closedBy(client: RawClient, refusal: Refusal): Promise<Outcome> {
  const leftMs = refusal.withinMs - (performance.now() - refusal.sinceMs);
  // GOAWAY comes first; a proxy that lingers before it closes is given its second.
  await client.until(() => client.goaway !== undefined, Math.max(leftMs, 100));
  await client.until(() => client.isOver, 2000);
  const { goaway } = client;
  const endMs = goaway?.atMs ?? client.closedMs;
  const closedMs = endMs === undefined ? null : Math.round(endMs - refusal.sinceMs);
  if (goaway === undefined) {
    const problem = client.isOver ? "closed without GOAWAY" : `not closed: ${client.describe()}`;
    return { code: client.isOver ? "closed" : "none", closedMs, problem };
  }
  const reason = goaway.debug.split(":")[0] ?? "";
  const code = `GOAWAY ${codeName(goaway.code)} ${reason}`;
  const problem = !refusal.codes.includes(goaway.code)
    ? `expected ${refusal.codes.map(codeName).join(" or ")}`
    : refusal.reasons !== undefined && !refusal.reasons.includes(reason)
      ? `expected the reason ${refusal.reasons.join(" or ")}`
      : !client.isOver
        ? "GOAWAY, but the connection stays open"
        : undefined;
  return { code, closedMs, problem };
}

export async function openFrom(port: number, from: string, options: RawOptions = {}): Promise<RawClient> {
  return RawClient.open(port, { from, ...options });
}
