import { array, assert, boolean, integer, property, record as recordOf } from "fast-check";
import { describe, expect, it } from "vitest";
import { maxWheelDelayMs, TimerWheel, type WheelTimer } from "./timer-wheel.ts";

/** A host whose time moves when told; it may wake a little early, as Node's timers do. */
class TestingHost {
  now = 1000.25;
  wakings = 0;
  #dueMs = Number.POSITIVE_INFINITY;
  #wake: (() => void) | undefined = undefined;
  readonly wheel = new TimerWheel({
    nowMs: () => this.now,
    wakeAfter: (delayMs, wake) => {
      this.#dueMs = this.now + delayMs;
      this.#wake = wake;
    },
  });

  /** Moves to `atMs`, waking the wheel whenever it asked for it. */
  moveTo(atMs: number): void {
    while (this.#wake !== undefined && this.#dueMs <= atMs) {
      this.now = Math.max(this.now, this.#dueMs);
      this.#wakeNow();
    }
    this.now = Math.max(this.now, atMs);
  }

  /** Moves to `atMs` without a waking in between: the process had other things to do. Then it wakes. */
  jumpTo(atMs: number): void {
    this.now = atMs;
    if (this.#dueMs <= atMs) this.#wakeNow();
  }

  get isAsleep(): boolean {
    return this.#wake === undefined;
  }

  #wakeNow(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.wakings++;
    wake?.();
  }
}

describe("timer wheel", () => {
  it("runs a timer in the millisecond after it is due and never before", () => {
    for (const delayMs of [0.01, 1, 3.5, 511, 512, 1023, 1024, 1025, 5_000, 60_000, maxWheelDelayMs]) {
      const host = new TestingHost();
      const begunMs = host.now;
      let ranAtMs = 0;
      host.wheel.add(delayMs, () => {
        ranAtMs = host.now;
      });
      host.moveTo(begunMs + delayMs - 0.001);
      expect(ranAtMs).toBe(0);
      host.moveTo(begunMs + delayMs + 1);
      expect(ranAtMs - begunMs).toBeGreaterThanOrEqual(delayMs);
    }
  });

  it("does not run a cancelled timer, and cancelling again does nothing", () => {
    const host = new TestingHost();
    const ran: string[] = [];
    const timer = host.wheel.add(10, () => ran.push("cancelled"));
    host.wheel.add(10, () => ran.push("kept"));
    timer.cancel();
    timer.cancel();
    expect(host.wheel.pending).toBe(1);
    host.moveTo(host.now + 20);
    expect(ran).toEqual(["kept"]);
    expect(host.wheel.pending).toBe(0);
  });

  it("asks for no waking when no timer is left", () => {
    const host = new TestingHost();
    for (let i = 1; i <= 50; i++) host.wheel.add(i * 100, () => {}).cancel();
    host.moveTo(host.now + 10_000);
    expect(host.isAsleep).toBe(true);
    expect(host.wakings).toBe(1);
  });

  it("lets a callback add timers and cancel those that are due with it", () => {
    const host = new TestingHost();
    const ran: string[] = [];
    let second: WheelTimer | undefined;
    host.wheel.add(5, () => {
      ran.push("first");
      second?.cancel();
      host.wheel.add(5, () => ran.push("third"));
    });
    second = host.wheel.add(5, () => ran.push("second"));
    host.moveTo(host.now + 30);
    expect(ran).toEqual(["first", "third"]);
  });

  it("goes on with the other timers after a callback has thrown", () => {
    const host = new TestingHost();
    let ran = 0;
    host.wheel.add(5, () => {
      throw new Error("defect");
    });
    host.wheel.add(5, () => ran++);
    host.wheel.add(50, () => ran++);
    const startedMs = host.now;
    expect(() => host.moveTo(startedMs + 10)).toThrow("defect");
    host.moveTo(startedMs + 100);
    expect(ran).toBe(2);
  });

  it("runs each timer that was not cancelled once, in time, whatever is added, cancelled and slept through", () => {
    const steps = array(
      recordOf({
        delayMs: integer({ min: 1, max: 40_000 }),
        cancels: boolean(),
        moveMs: integer({ min: 0, max: 3_000 }),
        jumps: boolean(),
      }),
      { minLength: 1, maxLength: 60 },
    );
    assert(
      property(steps, (plan) => {
        const host = new TestingHost();
        const runs: { dueMs: number; ranAtMs: number[]; isCancelled: boolean }[] = [];
        for (const { delayMs, cancels, moveMs, jumps } of plan) {
          const entry = { dueMs: host.now + delayMs, ranAtMs: [] as number[], isCancelled: cancels };
          runs.push(entry);
          const timer = host.wheel.add(delayMs, () => entry.ranAtMs.push(host.now));
          if (cancels) timer.cancel();
          const toMs = host.now + moveMs;
          if (jumps) host.jumpTo(toMs);
          else host.moveTo(toMs);
        }
        host.moveTo(host.now + 50_000);
        for (const { dueMs, ranAtMs, isCancelled } of runs) {
          expect(ranAtMs.length).toBe(isCancelled ? 0 : 1);
          if (!isCancelled) expect(ranAtMs[0]).toBeGreaterThanOrEqual(dueMs);
        }
        expect(host.wheel.pending).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
