// The adaptive limit against a simulated server: so many calls are worked on at once, the rest wait in order. Calls
// arrive by chance (seeded) whatever becomes of them; what finds no place is refused.

import { expect, test } from "vitest";
import { type Random, seededRandom } from "../../common/random.ts";
import { Priority } from "../priority.ts";
import { type AdaptiveState, initialAdaptive, nextLimit, placesOf } from "./adaptive-limit.ts";
import { AdaptivePlaces } from "./adaptive-places.ts";

interface Server {
  /** Calls worked on at once. */
  readonly capacity: number;
  /** Mean time of one, milliseconds; half of it is certain, half by chance (exponential). */
  readonly serviceMs: number;
}

interface Report {
  readonly places: number;
  /** Served per second, of what the server could serve. */
  readonly use: number;
  readonly p50Ms: number;
}

class Simulation {
  readonly #random: Random;
  readonly #limit = new AdaptivePlaces("m", 0);
  readonly #freeAtMs: number[] = [];
  #nowMs = 0;
  /** Calls under way by when they end, ascending. */
  #ends: { readonly atMs: number; readonly startedAtMs: number }[] = [];
  fewest = Number.POSITIVE_INFINITY;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** Calls come at `load` times what the server can do, for `seconds`; reports on the last third. */
  run(server: Server, load: number, seconds: number): Report {
    const { capacity, serviceMs } = server;
    const perMs = (capacity / serviceMs) * load;
    const fromMs = this.#nowMs;
    const untilMs = fromMs + seconds * 1_000;
    const latencies: number[] = [];
    this.#freeAtMs.length = capacity;
    for (let i = 0; i < capacity; i++) this.#freeAtMs[i] ??= this.#nowMs;
    let sum = 0;
    let reports = 0;
    while (this.#nowMs < untilMs) {
      this.#nowMs += -Math.log(1 - this.#random()) / perMs;
      this.#endDue((latencyMs, atMs) => {
        if (atMs > fromMs + (2 / 3) * seconds * 1_000) latencies.push(latencyMs);
      });
      const { places } = this.#limit.own;
      if (this.#nowMs > fromMs + (2 / 3) * seconds * 1_000) {
        sum += places.limit;
        reports++;
      }
      this.fewest = Math.min(this.fewest, places.limit);
      // As critical: the shares of the classes are another matter.
      if (!places.tryEnter(Priority.critical)) continue;
      this.#limit.entered();
      this.#begin(serviceMs);
    }
    const served = latencies.length / (seconds / 3);
    return {
      places: sum / reports,
      use: served / ((capacity / serviceMs) * 1_000),
      p50Ms: latencies.sort((a, b) => a - b)[latencies.length >> 1] ?? 0,
    };
  }

  #begin(serviceMs: number): void {
    let worker = 0;
    for (let i = 1; i < this.#freeAtMs.length; i++) if (this.#freeAtMs[i]! < this.#freeAtMs[worker]!) worker = i;
    const workMs = serviceMs / 2 - (serviceMs / 2) * Math.log(1 - this.#random());
    const atMs = Math.max(this.#nowMs, this.#freeAtMs[worker]!) + workMs;
    this.#freeAtMs[worker] = atMs;
    let place = this.#ends.length;
    while (place > 0 && this.#ends[place - 1]!.atMs > atMs) place--;
    this.#ends.splice(place, 0, { atMs, startedAtMs: this.#nowMs });
  }

  #endDue(seen: (latencyMs: number, atMs: number) => void): void {
    while (this.#ends[0] !== undefined && this.#ends[0].atMs <= this.#nowMs) {
      const { atMs, startedAtMs } = this.#ends.shift()!;
      this.#limit.own.places.leave();
      this.#limit.observe(startedAtMs, atMs - startedAtMs);
      seen(atMs - startedAtMs, atMs);
    }
  }
}

const servers: readonly Server[] = [
  { capacity: 4, serviceMs: 5 },
  { capacity: 20, serviceMs: 20 },
  { capacity: 100, serviceMs: 50 },
];

for (const server of servers) {
  const name = `a server of ${server.capacity} x ${server.serviceMs} ms`;
  test(`${name} at 1.5 times its load gets 1 to 2.2 times its capacity of places, and 95 % of it is used`, () => {
    for (const seed of [1, 2, 3]) {
      const { places, use, p50Ms } = new Simulation(seed).run(server, 1.5, 60);
      expect(places).toBeGreaterThan(server.capacity);
      expect(places).toBeLessThan(2.2 * server.capacity);
      expect(use).toBeGreaterThan(0.95);
      expect(p50Ms).toBeLessThan(2 * server.serviceMs);
    }
  });
}

// A simulated hour of overload takes long: so does this file.
const server: Server = { capacity: 20, serviceMs: 20 };

test("a spell in which every call takes four times as long is not made worse, and is over when it is over", () => {
  for (const seed of [1, 2, 3]) {
    const simulation = new Simulation(seed);
    simulation.run(server, 1.5, 40);
    expect(simulation.run({ ...server, serviceMs: 80 }, 6, 20).use).toBeGreaterThan(0.9);
    const after = simulation.run(server, 1.5, 15);
    expect(after.use).toBeGreaterThan(0.95);
    expect(after.places).toBeLessThan(2.2 * server.capacity);
  }
});

test("a server that loses three quarters of its capacity loses its places too", () => {
  for (const seed of [1, 2, 3]) {
    const simulation = new Simulation(seed);
    simulation.run(server, 1.5, 40);
    const { places, use } = simulation.run({ ...server, capacity: 5 }, 6, 60);
    expect(places).toBeLessThan(2.2 * 5);
    expect(use).toBeGreaterThan(0.95);
  }
});

test("ten minutes of three times its load neither lift the limit nor ever take more than half of the capacity", () => {
  const simulation = new Simulation(4);
  simulation.run(server, 3, 30);
  simulation.fewest = Number.POSITIVE_INFINITY;
  const { places, use } = simulation.run(server, 3, 600);
  expect(places).toBeLessThan(2 * server.capacity);
  expect(use).toBeGreaterThan(0.95);
  expect(simulation.fewest).toBeGreaterThanOrEqual(server.capacity / 2);
});

test("a limit grows little beyond twice the calls that ever come at once", () => {
  const simulation = new Simulation(5);
  // 5 on average, 14 to 16 by chance.
  const { places, use } = simulation.run({ capacity: 100, serviceMs: 10 }, 0.05, 60);
  expect(places).toBeLessThan(50);
  expect(use).toBeGreaterThan(0.04);
});

const settled: AdaptiveState = { ...initialAdaptive, limit: 100, baseMs: 10, untilDipMs: 10_000 };

test("latency twice the base takes places away, latency at the base adds some", () => {
  const window = { maxInFlight: 100, elapsedMs: 200 };
  expect(nextLimit(settled, { ...window, p50Ms: 20 }).limit).toBeCloseTo((12.5 / 20) * 100 + 10);
  expect(nextLimit(settled, { ...window, p50Ms: 10 }).limit).toBeCloseTo(125 + 10);
  expect(nextLimit(settled, { ...window, p50Ms: 1_000 }).limit).toBeCloseTo(50 + 10);
});

test("a dip halves the places for one window and leaves the limit as it was", () => {
  const due = nextLimit({ ...settled, untilDipMs: 100 }, { p50Ms: 12, maxInFlight: 100, elapsedMs: 200 });
  expect(placesOf(due)).toBe(Math.floor(due.limit / 2));
  const after = nextLimit(due, { p50Ms: 10, maxInFlight: placesOf(due), elapsedMs: 200 });
  expect(after).toMatchObject({ isDipping: false, limit: due.limit, baseMs: 10 });
});

test("latency that falls with the places was a queue; latency that stays becomes the base", () => {
  const dip: AdaptiveState = { ...settled, isDipping: true, reference: { places: 100, p50Ms: 40 } };
  expect(nextLimit(dip, { p50Ms: 20, maxInFlight: 50, elapsedMs: 200 }).baseMs).toBe(10);
  expect(nextLimit(dip, { p50Ms: 40, maxInFlight: 50, elapsedMs: 200 }).baseMs).toBe(40);
});
