// What every event log guarantees to processes of their own that are killed at any moment, one or all at once:
// 4 writers, 3 readers, SIGKILL. Takes some seconds, as it starts some thirty processes.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import type { LogFixture } from "./testing/log-fixture.ts";
import { WorkerProcess } from "./testing/worker-process.ts";

const WRITERS = 4;
const READERS = 3;
const COMMANDS = 150;
const KILLS = 8;
/** Every so many kills everybody dies: a log in a file has to recover what nobody has open. */
const ALL_AT_ONCE = 4;
const TOTAL = WRITERS * COMMANDS;

/** `createFixture` makes a fresh, empty log. */
export function eventLogCrashSuite(name: string, createFixture: () => Promise<LogFixture>): void {
  describe(`event log on ${name}, in processes that are killed`, () => {
    let fixture: LogFixture;
    const workers: WorkerProcess[] = [];
    beforeEach(async () => {
      fixture = await createFixture();
    });
    afterEach(async () => {
      await Promise.all(workers.map((worker) => worker.kill()));
      await fixture.remove();
    });

    test("4 writers and 3 readers under kill -9: every command is there once, in one order for all", async () => {
      const common = [fixture.module.href, fixture.argument];
      const writers = Array.from({ length: WRITERS }, (_, w) => {
        const next = (lines: readonly string[]) => String(lines.length + 1);
        return new WorkerProcess((lines) => ["writer", ...common, `w${w}`, next(lines), String(COMMANDS)]);
      });
      const readers = Array.from({ length: READERS }, (_, r) => {
        const after = (lines: readonly string[]) => lines.at(-1)?.split(" ")[0] ?? "0";
        return new WorkerProcess((lines) => ["reader", ...common, after(lines), String([1, 7, 500][r])]);
      });
      workers.push(...writers, ...readers);

      await killAtRandom(writers, readers);
      expect(await Promise.all(writers.map((writer) => writer.end()))).toEqual(writers.map(() => 0));
      for (const reader of readers) await expect.poll(() => reader.lines.length, { timeout: 20_000 }).toBe(TOTAL);

      const log = await fixture.open();
      const order = (await log.readAll(0, TOTAL + 1)).map(
        ({ position, stream, version, record }) => `${position} ${stream} ${version} ${record.commandId}`,
      );
      expect(order).toHaveLength(TOTAL);
      for (const reader of readers) expect(reader.lines).toEqual(order);
      expectEveryCommandOnce(order, writers);
      expect(workers.map(({ complaints }) => complaints).join("")).toBe("");
    }, 90_000);
  });
}

/** Kills and restarts workers, spread over the run: the next one whenever enough commands were acknowledged. */
async function killAtRandom(writers: readonly WorkerProcess[], readers: readonly WorkerProcess[]): Promise<void> {
  const random = seededRandom(7);
  const workers = [...writers, ...readers];
  const acknowledged = () => writers.reduce((sum, { lines }) => sum + lines.length, 0);
  for (let kill = 1; kill <= KILLS; kill++) {
    const enough = (kill * TOTAL) / (KILLS + 2);
    await expect.poll(acknowledged, { timeout: 30_000, interval: 2 }).toBeGreaterThan(enough);
    const victims =
      kill % ALL_AT_ONCE === 0 ? workers : workers.slice(Math.floor(random() * workers.length)).slice(0, 1);
    await Promise.all(victims.map((victim) => victim.kill()));
    for (const victim of victims) victim.restart();
  }
}

function expectEveryCommandOnce(order: readonly string[], writers: readonly WorkerProcess[]): void {
  const commands = order.map((line) => line.split(" ")[3] ?? "");
  const expected = writers.flatMap((_, w) => Array.from({ length: COMMANDS }, (_, i) => `w${w}-${i + 1}`));
  expect([...commands].sort()).toEqual([...expected].sort());
  for (const writer of writers)
    expect(writer.lines).toEqual(Array.from({ length: COMMANDS }, (_, i) => `ack ${i + 1}`));
  const versions = new Map<string, number>();
  for (const line of order) {
    const [, stream = "", version] = line.split(" ");
    versions.set(stream, (versions.get(stream) ?? 0) + 1);
    expect(Number(version)).toBe(versions.get(stream));
  }
}
