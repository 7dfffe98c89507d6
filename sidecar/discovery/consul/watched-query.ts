// Asks one thing of Consul again and again, blocked until it changes, and tells what came of it: the loop around
// blocking-query.ts. Made by ConsulWatches, one for a thing and process.

import { createHash } from "node:crypto";
import { type Clock, wait } from "../../../common/clock.ts";
import type { Random } from "../../../common/random.ts";
import { initialQueryState, nextRequest, type QueryResponse, type QueryState } from "./blocking-query.ts";
import { type ConsulClient, type ConsulReply, ConsulUnreachable } from "./consul-client.ts";

/** What is watched and how its replies are read. */
export interface WatchedThing<T> {
  /** Behind `/v1/`; the thing's identity. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Agent-local things block by content hash, all others by index. */
  readonly by?: "index" | "hash";
  /** Of a 200, or of a 404 with an undefined body. Throws when the body is not what it should be. */
  readonly parse: (body: unknown) => T;
  /** An empty list may mean that we are not allowed to see it: it is proved by a plain read (T4). */
  readonly isGuarded?: boolean;
  /** Somebody who could be dialed no longer can; such a change is looked at twice after an outage. */
  readonly isLoss?: (before: T, after: T) => boolean;
}

export interface WatchedQueryDeps {
  readonly client: ConsulClient;
  readonly clock: Clock;
  readonly random: Random;
  /** May this one hold a connection while it waits? Otherwise it polls. */
  readonly mayBlock: () => boolean;
  /** A sentence when it begins to fail, undefined when it works again. */
  readonly onTrouble: (sentence: string | undefined) => void;
}

const waitMs = 60_000;
/** The server adds up to a sixteenth; the rest is for the way. */
const blockedTimeoutMs = waitMs + waitMs / 16 + 5_000;
/** A server that elects a leader holds reads for up to 10 s. */
const plainTimeoutMs = 15_000;
const pollMs = 5_000;

export async function watchQuery<T>(
  thing: WatchedThing<T>,
  { client, clock, random, mayBlock, onTrouble }: WatchedQueryDeps,
  onValue: (value: T) => void,
  signal: AbortSignal,
): Promise<void> {
  let state = initialQueryState(clock.nowMs());
  let value: { readonly is: T } | undefined;
  while (!signal.aborted) {
    const isBlocked = state.marker !== undefined && mayBlock();
    let why = "";
    let found: { readonly is: T } | undefined;
    let response: QueryResponse = { kind: "unreachable" };
    try {
      const reply = await ask(thing, client, { state, isBlocked, signal });
      if (reply.status === 200 || reply.status === 404) {
        found = { is: thing.parse(reply.status === 404 ? undefined : JSON.parse(reply.text)) };
      } else {
        why = `${client.name}: ${thing.path}: ${reply.status} ${reply.text.trim().slice(0, 300)}`;
      }
      const isLoss = found !== undefined && value !== undefined && thing.isLoss?.(value.is, found.is) === true;
      response = { ...responseOf(thing, reply), isLoss };
    } catch (error) {
      if (signal.aborted) return;
      why = error instanceof ConsulUnreachable ? error.message : `${client.name}: ${thing.path}: ${String(error)}`;
    }
    const wasFailing = state.failures > 0;
    const decision = nextRequest(state, response, { nowMs: clock.nowMs(), random: random() });
    state = decision.state;
    if (signal.aborted) return;
    if (decision.verdict === "failed") {
      onTrouble(why === "" ? `${client.name}: ${thing.path}: hidden from us by ACLs` : why);
    } else if (wasFailing) onTrouble(undefined);
    if (decision.verdict === "accept" && found !== undefined) {
      value = found;
      onValue(found.is);
    }
    const isPoll = state.marker !== undefined && !mayBlock();
    const delayMs = isPoll ? Math.max(decision.delayMs, pollMs) : decision.delayMs;
    if (delayMs > 0) await wait(clock, delayMs, signal).catch(() => {});
  }
}

/** What the request and its reply need of the thing. */
type Asked = Omit<WatchedThing<unknown>, "parse" | "isLoss">;

interface Asking {
  readonly state: QueryState;
  readonly isBlocked: boolean;
  readonly signal: AbortSignal;
}

function ask(thing: Asked, client: ConsulClient, asking: Asking): Promise<ConsulReply> {
  const { state, isBlocked, signal } = asking;
  const blocking = { [thing.by ?? "index"]: state.marker ?? "", wait: `${waitMs / 1_000}s` };
  return client.ask({
    path: thing.path,
    query: { ...thing.query, ...(isBlocked && blocking) },
    timeoutMs: isBlocked ? blockedTimeoutMs : plainTimeoutMs,
    signal,
  });
}

function responseOf(thing: Asked, reply: ConsulReply): Extract<QueryResponse, { kind: "reply" }> {
  const { status, text, isFiltered } = reply;
  return {
    kind: "reply",
    status,
    isFiltered,
    isLoss: false, // the loop knows
    marker: thing.by === "hash" ? reply.contentHash : reply.index,
    // A thing that went away and a thing that is empty differ.
    fingerprint: `${status} ${createHash("sha1").update(text).digest("base64")}`,
    isEmpty: thing.isGuarded === true && status === 200 && text.trim() === "[]",
  };
}
