// Whether somebody listens at one of a server's addresses, asked until one does: all that `ferry up` wants to know of
// NATS and Postgres before it starts the processes that speak to them. What such a server then refuses, they say.

import { connect, type NetConnectOpts } from "node:net";
import { type Clock, wait } from "../../common/clock.ts";

export interface ReachableServer {
  /** For sentences, as `nats at 127.0.0.1:4222`; without user and password. */
  readonly name: string;
  /** Any one of them is enough. */
  readonly addresses: readonly NetConnectOpts[];
  /** What to do when nobody is there, as `start Postgres, or …`. */
  readonly advice: string;
}

export interface AwaitReachableOptions {
  readonly clock: Clock;
  readonly waitMs: number;
  /** A sentence now and then while it is waited for. */
  readonly onProgress: (sentence: string) => void;
  /** Rejects when it aborts. */
  readonly signal: AbortSignal;
}

const connectMs = 2_000;
const lookMs = 500;
const sayEveryMs = 5_000;

/** Rejects with one sentence when nobody listens there within `waitMs`. */
export async function awaitReachable(server: ReachableServer, options: AwaitReachableOptions): Promise<void> {
  const { clock, waitMs, onProgress, signal } = options;
  const untilMs = clock.nowMs() + waitMs;
  let sayAtMs = clock.nowMs();
  for (;;) {
    const tries = await Promise.all(server.addresses.map((address) => whyUnreachable(address, clock)));
    if (tries.includes(undefined)) return;
    const why = [...new Set(tries)].join(", ");
    const nowMs = clock.nowMs();
    if (nowMs >= untilMs) {
      const waited = waitMs > 0 ? `, for ${Math.round(waitMs / 1_000)} s` : "";
      throw new Error(`${server.name}: ${why}${waited}; ${server.advice}`);
    }
    if (nowMs >= sayAtMs) {
      onProgress(`${server.name}: ${why}; waiting ${Math.ceil((untilMs - nowMs) / 1_000)} s more`);
      sayAtMs = nowMs + sayEveryMs;
    }
    await wait(clock, lookMs, signal);
  }
}

/** Undefined when somebody took the connection. */
function whyUnreachable(address: NetConnectOpts, clock: Clock): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const end = (why: string | undefined) => {
      timer.cancel();
      socket.destroy();
      resolve(why);
    };
    const timer = clock.after(connectMs, () => end(`no answer within ${connectMs} ms`));
    socket.once("connect", () => end(undefined));
    socket.once("error", (error: NodeJS.ErrnoException) => end(words[error.code ?? ""] ?? error.message));
  });
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOENT: "there is no such socket",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "no such host",
};
