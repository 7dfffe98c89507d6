import { expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { Priority } from "../priority.ts";
import { Places } from "./limit-places.ts";

/** Lets promises that are settled tell who waits for them. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await Promise.resolve();
}

test("places, queue and order hold for any sequence of calls, waits, ends, cancellations and new limits", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = seededRandom(seed);
    const places = new Places(10);
    const waiting: { readonly id: number; readonly priority: Priority; giveUp(reason: unknown): void }[] = [];
    const admitted: number[] = [];
    let under = 0;
    const expectations: number[] = [];
    for (let id = 0; id < 500; id++) {
      const action = random();
      if (action < 0.5) {
        const priority = Math.floor(random() * 3) as Priority;
        if (places.tryEnter(priority)) {
          under++;
          // Nobody of equal or higher priority waits while another one gets in.
          expect(waiting.some((other) => other.priority <= priority)).toBe(false);
        } else {
          const last = waiting.findLast((other) => other.priority === Math.max(...waiting.map((w) => w.priority)));
          const isFull = waiting.length >= 8;
          const wait = places.wait(priority, 8, () => "displaced");
          if (isFull && (last === undefined || last.priority <= priority)) expect(wait).toBeUndefined();
          else {
            if (isFull) waiting.splice(waiting.indexOf(last!), 1);
            wait!.place.then(
              () => admitted.push(id),
              () => {},
            );
            waiting.push({ id, priority, giveUp: (reason) => wait!.giveUp(reason) });
          }
        }
      } else if (action < 0.85 && under > 0) {
        places.leave();
        under--;
      } else if (action < 0.95 && waiting.length > 0) {
        const [gone] = waiting.splice(Math.floor(random() * waiting.length), 1);
        gone!.giveUp("cancelled");
      } else if (action >= 0.98) places.setLimit(5 + Math.floor(random() * 10));
      await settle();
      // Whoever was let in was the first of the highest priority that waited.
      for (const one of admitted.splice(0)) {
        const first = waiting.reduce((best, other) => (other.priority < best.priority ? other : best));
        expect(one).toBe(first.id);
        waiting.splice(waiting.indexOf(first), 1);
        under++;
        expectations.push(one);
      }
      expect(places.inFlight).toBe(under);
      expect(places.pending).toBe(waiting.length);
    }
    expect(expectations.length).toBeGreaterThan(0);
    for (; under > 0; under--) places.leave();
  }
});

test("a wait that is given up after it got its place keeps it", async () => {
  const places = new Places(1);
  expect(places.tryEnter(Priority.default)).toBe(true);
  const wait = places.wait(Priority.default, 1, () => "displaced")!;
  places.leave();
  wait.giveUp("too late");
  await wait.place;
  expect(places.inFlight).toBe(1);
});
