import { createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCollection, summarise } from "./gc-trace.ts";
import { growthOf } from "./growth.ts";
import { openIdle } from "./idle-connections.ts";

const line = (kind: string, pause: string) =>
  `[24016:0x14b87000:0]       20 ms: pause=${pause} mutator=15.8 gc=${kind} reduce_memory=0 scavenge=0.87 ` +
  "scavenge.roots=0.09 start_object_size=4944416 end_object_size=4445040 allocated=4944416 promoted=0 pool_chunks=0";

describe("V8's lines", () => {
  test("tell kind, pause and what was allocated", () => {
    expect(readCollection(line("s", "1.0"))).toEqual({
      ...{ kind: "scavenge", pauseMs: 1, allocatedBytes: 4_944_416, isForced: false },
    });
    expect(readCollection(line("ms", "2.5"))?.kind).toBe("mark-sweep");
    expect(readCollection(line("s", "1.0").replace(":0]", "]"))?.pauseMs).toBe(1);
    expect(readCollection(line("mc", "1.0").replace("reduce_memory=0", "reduce_memory=1"))?.isForced).toBe(true);
  });

  test("a difference that has wrapped below zero is nothing allocated", () => {
    const wrapped = line("mc", "1.0").replace("allocated=4944416", "allocated=18446744073709549352");
    expect(readCollection(wrapped)?.allocatedBytes).toBe(0);
  });

  test("are told from everything else that a process says", () => {
    expect(readCollection('{"event":"ready","outbound":"127.0.0.1:1"}')).toBeUndefined();
    expect(readCollection(line("unknown", "1.0"))).toBeUndefined();
  });

  test("make a row for each kind", () => {
    const pauses = [1, 2, 3, 4].map(
      (pauseMs) => ({ kind: "scavenge", pauseMs, allocatedBytes: 1, isForced: false }) as const,
    );
    const rows = summarise([...pauses, { kind: "mark-sweep", pauseMs: 9, allocatedBytes: 1, isForced: false }]);
    expect(rows).toEqual([
      { kind: "scavenge", count: 4, p50Ms: 2, p99Ms: 4, maxMs: 4 },
      { kind: "mark-sweep", count: 1, p50Ms: 9, p99Ms: 9, maxMs: 9 },
    ]);
  });
});

describe("growthOf", () => {
  test("one object a call is a leak, and noise of single sizes is none", () => {
    const leak = Array.from({ length: 20 }, (_, at) => 20e6 + at * 50_000 * 16);
    expect(growthOf(leak, 1_000_000)).toMatchObject({ isWithinTolerance: false, bytesPerCall: 12 });
    const noise = [20e6, 20.1e6, 20e6, 25e6, 20e6, 20.1e6, 20e6, 20.1e6];
    expect(growthOf(noise, 1_000_000)).toMatchObject({ isWithinTolerance: true });
  });
});

describe("idle connections", () => {
  const open: Socket[] = [];
  const server = createServer((socket) => {
    open.push(socket);
    socket.on("error", () => {});
    if (open.length > 150) socket.destroy();
    else socket.once("data", () => socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])));
  });
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
  afterAll(() => void server.close());

  test("stay open until they are closed, and one that is refused is told", async () => {
    const { port } = server.address() as { port: number };
    const idle = await openIdle(port, 120);
    expect(open).toHaveLength(120);
    await expect(openIdle(port, 100)).rejects.toThrow(/closed|ECONNRESET/);
    idle.close();
  });
});
