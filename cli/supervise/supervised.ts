// A process that is kept running: when it ends by itself it is started again, after 200 ms at first and up to 5 s when
// it keeps ending; 30 s of running make the delay short again. The first start is not repeated: what does not start
// once is a mistake to report.

import { wait } from "../../common/clock.ts";
import { CommandError, reasonOf } from "../exit.ts";
import { Child, type ChildDeps, type ChildExit, type ChildSpec, describeExit, type ReadyLine } from "./child.ts";

const firstDelayMs = 200;
const longestDelayMs = 5000;
const steadyMs = 30_000;

/** The wait before the next start. `previousMs` 0: there was none. Pure. */
export function restartDelayMs(previousMs: number, ranMs: number): number {
  if (previousMs === 0 || ranMs >= steadyMs) return firstDelayMs;
  return Math.min(longestDelayMs, previousMs * 2);
}

export interface SupervisedParams {
  /** Called for every start; `last` is the latest ready line, so that addresses can be kept. */
  readonly spec: (last: ReadyLine | undefined) => ChildSpec;
  /** False: when it ends, that is that. */
  readonly mayRestart: boolean;
  /** Told about every start that succeeded. */
  readonly onStart: (child: Child, ready: ReadyLine) => void;
  /** Told, for people, when it ended by itself and when a restart failed. */
  readonly onTrouble: (sentence: string) => void;
}

export class Supervised {
  readonly #params: SupervisedParams;
  readonly #deps: ChildDeps;
  readonly #stopping = new AbortController();
  #child: Child | undefined;
  #last: ReadyLine | undefined;
  #starting: Promise<unknown> = Promise.resolve();
  #watching: Promise<void> = Promise.resolve();

  constructor(params: SupervisedParams, deps: ChildDeps) {
    this.#params = params;
    this.#deps = deps;
  }

  get child(): Child | undefined {
    return this.#child;
  }

  /** The first start; rejects with a CommandError, and nothing is left running then. */
  async start(): Promise<ReadyLine> {
    const starting = this.#startOnce();
    this.#starting = starting.catch(() => {});
    const ready = await starting;
    if (this.#params.mayRestart) this.#watching = this.#keepRunning();
    return ready;
  }

  /** Begins its end: SIGTERM, and no restart any more. Resolves when it drained or ended, after `graceMs` anyway. */
  async drain(graceMs: number): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child === undefined) return;
    child.terminate();
    const settled = new AbortController();
    const late = wait(this.#deps.clock, graceMs, settled.signal).catch(() => {});
    await Promise.race([child.drained, late]);
    settled.abort();
  }

  /** Stops it for good, also while it starts. Resolves when nothing is left: how it ended, if it ever ran. */
  async stop(graceMs: number): Promise<ChildExit | undefined> {
    this.#stopping.abort();
    await this.#child?.stop(graceMs);
    await this.#starting;
    await this.#watching;
    return this.#child?.exited;
  }

  kill(): void {
    this.#stopping.abort();
    this.#child?.kill();
  }

  async #startOnce(): Promise<ReadyLine> {
    const spec = this.#params.spec(this.#last);
    if (this.#stopping.signal.aborted) throw new CommandError(`${spec.name} was stopped before it had started`);
    const child = await Child.start(spec, this.#deps);
    this.#child = child;
    if (this.#stopping.signal.aborted) child.kill();
    try {
      this.#last = await child.ready;
    } catch (error) {
      child.kill();
      await child.exited;
      throw error;
    }
    this.#params.onStart(child, this.#last);
    return this.#last;
  }

  async #keepRunning(): Promise<void> {
    const { clock } = this.#deps;
    let delayMs = 0;
    let startedMs = clock.nowMs();
    for (;;) {
      const child = this.#child;
      const exit = await child?.exited;
      if (this.#stopping.signal.aborted || child === undefined || exit === undefined) return;
      delayMs = restartDelayMs(delayMs, clock.nowMs() - startedMs);
      const { name } = child.spec;
      this.#params.onTrouble(`${name} (pid ${child.pid}) ${describeExit(exit)}; starting it again in ${delayMs} ms`);
      try {
        await wait(clock, delayMs, this.#stopping.signal);
      } catch {
        return;
      }
      startedMs = clock.nowMs();
      await this.#startOnce().catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#params.onTrouble(reasonOf(error));
      });
    }
  }
}
