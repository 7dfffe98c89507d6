// The first value that a watch tells, for commands that look once. Used by read-mesh.ts.

import type { Clock } from "../../common/clock.ts";
import { CommandError } from "../exit.ts";

export interface FirstOf<T> {
  /** What is waited for, as `the chain of quoter`. */
  readonly what: string;
  watch(onChange: (value: T) => void, signal: AbortSignal): void;
  /** Why it may not come, for the message. */
  trouble(): string;
}

const timeoutMs = 5_000;

/** Rejects with a CommandError when nothing came in 5 s. The watch ends with the answer. */
export async function firstOf<T>(clock: Clock, { what, watch, trouble }: FirstOf<T>): Promise<T> {
  const abort = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => {
      abort.abort();
      const why = trouble();
      reject(new CommandError(`no answer about ${what} within ${timeoutMs} ms${why === "" ? "" : `: ${why}`}`));
    });
    watch((value) => {
      timer.cancel();
      resolve(value);
      // Behind this turn: a watch may tell while it is being begun.
      queueMicrotask(() => abort.abort());
    }, abort.signal);
  });
}
