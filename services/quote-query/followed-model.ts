// One read model as this process follows it: its last known state, refreshed when the model changes, and waiting for a
// position. All calls and watches share one subscription, so that a thousand watchers cost one look per change.
// Made by main.ts; used by queries.ts, read-model-service.ts and the health probe.

import type { Clock, Timer } from "../../common/clock.ts";
import type { Position } from "../events/event-log.ts";
import type { HealthAnswer } from "../kit/health.ts";
import type { ReadModelReader, ReadModelState } from "../read-model/read-model.ts";
import { stalenessMs } from "./freshness.ts";

export class FollowedModel {
  readonly reader: ReadModelReader;
  readonly #clock: Clock;
  #state: ReadModelState | undefined;
  #refreshing: Promise<ReadModelState> | undefined;
  #isChangedAgain = false;
  readonly #waiting = new Set<() => void>();

  /** Follows until `signal` aborts. */
  constructor(reader: ReadModelReader, clock: Clock, signal: AbortSignal) {
    this.reader = reader;
    this.#clock = clock;
    reader.onChange(() => {
      // A model that cannot be read now is found out by health; the next change tries again.
      this.refresh().catch(() => {});
    }, signal);
  }

  /** Reads the state. A call during a read waits for one more, since the first may have begun before the change. */
  async refresh(): Promise<ReadModelState> {
    if (this.#refreshing !== undefined) {
      this.#isChangedAgain = true;
      return this.#refreshing;
    }
    this.#refreshing = this.#read();
    try {
      return await this.#refreshing;
    } finally {
      this.#refreshing = undefined;
    }
  }

  async #read(): Promise<ReadModelState> {
    let state: ReadModelState;
    do {
      this.#isChangedAgain = false;
      state = await this.reader.state();
    } while (this.#isChangedAgain);
    this.#state = state;
    for (const wake of [...this.#waiting]) wake();
    return state;
  }

  /** The last state that was read; reads it when there is none yet. */
  async state(): Promise<ReadModelState> {
    return this.#state ?? this.refresh();
  }

  /** As freshness.ts has it, by what is known now. */
  stalenessMs(): number | undefined {
    return this.#state === undefined ? undefined : stalenessMs(this.#state, this.#clock.wallMs());
  }

  /** The same as a number for everybody who compares: a model that never held everything is behind since 1970. */
  lagMs(): number {
    return this.stalenessMs() ?? this.#clock.wallMs();
  }

  /**
   * Resolves when the model contains `position`, when `signal` aborts or after `patienceMs` (default: never), with
   * whether it does.
   */
  async reaches(position: Position, signal: () => AbortSignal, patienceMs?: number): Promise<boolean> {
    if ((await this.state()).position >= position) return true;
    if ((await this.refresh()).position >= position) return true;
    return this.#wait(position, signal(), patienceMs);
  }

  #wait(position: Position, signal: AbortSignal, patienceMs: number | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const hasReached = () => this.#state !== undefined && this.#state.position >= position;
      const end = () => {
        timer?.cancel();
        signal.removeEventListener("abort", end);
        this.#waiting.delete(check);
        resolve(hasReached());
      };
      const check = () => {
        if (hasReached()) end();
      };
      if (signal.aborted || hasReached()) return end();
      this.#waiting.add(check);
      signal.addEventListener("abort", end);
      if (patienceMs !== undefined) timer = this.#clock.after(patienceMs, end);
    });
  }

  /** Ok while the model can be read and has held everything once; a projector that died later only makes it stale. */
  async health(): Promise<HealthAnswer> {
    const { caughtUpAtMs, position, head } = await this.refresh();
    if (caughtUpAtMs > 0) return { ok: true, detail: "" };
    return { ok: false, detail: `the model has not caught up yet: position ${position} of ${head}` };
  }
}
