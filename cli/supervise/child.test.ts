import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { TestingClock } from "../../common/testing-clock.ts";
import { Child, type ChildDeps, describeExit, exitCodeOf } from "./child.ts";
import { Reaper } from "./reaper.ts";
import { Supervised } from "./supervised.ts";

const folder = mkdtempSync(join(tmpdir(), "ferry-child-"));
afterAll(() => rmSync(folder, { recursive: true }));

let deps: ChildDeps;
let reaper: Reaper;
beforeEach(() => {
  reaper = new Reaper();
  deps = { reaper, clock: systemClock };
});
afterEach(() => reaper.close());

let count = 0;
function spec(script: string, readyTimeoutMs = 5000) {
  const name = `child-${count++}`;
  const logFile = join(folder, `${name}.log`);
  return { name, command: "/bin/sh", args: ["-c", script], env: process.env, logFile, readyTimeoutMs };
}

const sayReady = `echo '{"event":"ready","listen":"127.0.0.1:1"}'`;

function isRunning(pid: number): boolean {
  try {
    // A zombie has ended; where nobody collects orphans it stays for ever.
    return !/^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

describe("a child", () => {
  test("is ready when its first line says so, and ends at SIGTERM", async () => {
    const child = await Child.start(spec(`${sayReady}; exec sleep 60`), deps);
    expect(await child.ready).toMatchObject({ listen: "127.0.0.1:1" });
    expect(await child.stop(5000)).toEqual({ code: null, signal: "SIGTERM" });
    expect(child.isRunning).toBe(false);
  });

  test("that does not start is told with its log's sentence", async () => {
    const child = await Child.start(spec("echo noise >&2; echo 'ferry-sidecar: port 1 is taken' >&2; exit 1"), deps);
    await expect(child.ready).rejects.toThrow(
      /^child-\d+ did not start: it ended with exit code 1: ferry-sidecar: port 1 is taken \(/,
    );
  });

  test("that does not start is not told with what a child before it said", async () => {
    const first = spec("echo 'ferry-sidecar: port 1 is taken' >&2; exit 1");
    await (await Child.start(first, deps)).ready.catch(() => {});
    const second = await Child.start({ ...first, args: ["-c", "exit 1"] }, deps);
    await expect(second.ready).rejects.toThrow(/^child-\d+ did not start: it ended with exit code 1$/);
  });

  test("that takes its time is told with its log's last message, until it is told to end", async () => {
    const clock = new TestingClock();
    const told: string[] = [];
    const slow = { reaper, clock, onSlow: (sentence: string) => told.push(sentence) };
    const waiting = spec(
      `trap '' TERM; echo '{"level":"info","message":"waiting for nats"}' >&2; while :; do sleep 1; done`,
    );
    const child = await Child.start(waiting, slow);
    await vi.waitFor(() => expect(readFileSync(waiting.logFile, "utf8")).toContain("nats"));
    await clock.advance(5_000);
    expect(told).toEqual([`${waiting.name} is not ready yet: waiting for nats`]);
    child.ready.catch(() => {});
    // Not the grace of one that serves somebody.
    const stopped = child.stop(60_000);
    await clock.advance(1_000);
    expect(await stopped).toEqual({ code: null, signal: "SIGKILL" });
    expect(told).toHaveLength(1);
  });

  test("that says something else first, or nothing in time, is told", async () => {
    const talker = await Child.start(spec("echo hello; exec sleep 60"), deps);
    await expect(talker.ready).rejects.toThrow(/expected \{"event":"ready",…\} as the first line.*found hello/);
    const silent = await Child.start(spec("exec sleep 60", 50), deps);
    await expect(silent.ready).rejects.toThrow("was not ready after 50 ms");
    await Promise.all([talker.stop(1000), silent.stop(1000)]);
  });

  test("that ignores SIGTERM is killed after the grace, with all that it started", async () => {
    const child = await Child.start(
      spec(`trap '' TERM; sleep 60 & echo "{\\"event\\":\\"ready\\",\\"inner\\":$!}"; wait`),
      deps,
    );
    const { inner } = await child.ready;
    expect(await child.stop(100)).toEqual({ code: null, signal: "SIGKILL" });
    await expect.poll(() => isRunning(Number(inner))).toBe(false);
  });

  test("says when it has drained, while it still runs", async () => {
    const onTerm = `trap "exit 0" TERM; echo "{\\"event\\":\\"drained\\"}"`;
    const script = `trap '${onTerm}' TERM; ${sayReady}; while :; do sleep 0.05; done`;
    const child = await Child.start(spec(script), deps);
    await child.ready;
    child.terminate();
    await child.drained;
    expect(child.isRunning).toBe(true);
    expect(await child.stop(5000)).toEqual({ code: 0, signal: null });
  });

  test("that is no program is told", async () => {
    await expect(Child.start({ ...spec(""), command: "/no/such" }, deps)).rejects.toThrow("there is no such program");
  });
});

test("a supervised process starts again under a new id, with what it said before, until it is stopped", async () => {
  const starts: number[] = [];
  const troubles: string[] = [];
  const listens: unknown[] = [];
  const { promise: second, resolve } = Promise.withResolvers<void>();
  const supervised = new Supervised(
    {
      mayRestart: true,
      spec: (last) => {
        listens.push(last?.listen);
        return spec(`${sayReady}; exec sleep 60`);
      },
      onStart: ({ pid }) => {
        if (starts.push(pid) === 2) resolve();
      },
      onTrouble: (sentence) => troubles.push(sentence),
    },
    deps,
  );
  await supervised.start();
  process.kill(starts[0]!, "SIGKILL");
  await second;
  expect(listens).toEqual([undefined, "127.0.0.1:1"]);
  expect(troubles).toEqual([expect.stringMatching(/was killed by SIGKILL; starting it again in 200 ms$/)]);
  await supervised.stop(1000);
  expect(starts.map(isRunning)).toEqual([false, false]);
});

test("stopping while it starts waits for the start and leaves nothing", async () => {
  const supervised = new Supervised(
    {
      mayRestart: true,
      spec: () => spec("exec sleep 60"),
      onStart: () => {},
      onTrouble: () => {},
    },
    deps,
  );
  const started = supervised.start();
  started.catch(() => {});
  await supervised.stop(1000);
  await expect(started).rejects.toThrow();
});

test("the reaper ends what is still listed when its pipe ends, and nothing else", async () => {
  const left = await Child.start({ ...spec("exec sleep 60"), readyTimeoutMs: 60_000 }, deps);
  const spared = await Child.start({ ...spec("exec sleep 60"), readyTimeoutMs: 60_000 }, deps);
  reaper.forget(spared.pid);
  await reaper.close();
  expect(await left.exited).toEqual({ code: null, signal: "SIGTERM" });
  expect(spared.isRunning).toBe(true);
  await spared.stop(1000);
});

test("an exit code is the command's own, or 128 and the signal", () => {
  expect(exitCodeOf({ code: 7, signal: null }, {})).toBe(7);
  expect(exitCodeOf({ code: null, signal: "SIGTERM" }, { SIGTERM: 15 })).toBe(143);
  expect(describeExit({ code: null, signal: "SIGKILL" })).toBe("was killed by SIGKILL");
});
