// The pure decisions about time and counts, as tables. What a connection makes of them: watch.test.ts, limits.test.ts.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Ages, jittered } from "./ages.ts";
import { Keepalive } from "./keepalive.ts";
import { defaultLimits, ForcedClose, goawayText, limitRows, StreamRefusal } from "./limits.ts";
import { ResetRatio } from "./reset-ratio.ts";
import { Stalls } from "./stalls.ts";

describe("keepalive", () => {
  test("anything that arrives puts the question off, and answers it", () => {
    const keepalive = new Keepalive({ intervalMs: 100, timeoutMs: 20 }, 0);
    expect(keepalive.look(99, 0, true)).toBe("rest");
    expect(keepalive.look(100, 1, true)).toBe("rest");
    expect([keepalive.look(199, 1, true), keepalive.dueMs]).toEqual(["rest", 200]);
    expect([keepalive.look(200, 1, true), keepalive.dueMs]).toEqual(["ping", 220]);
    expect(keepalive.look(219, 1, true)).toBe("rest");
    expect(keepalive.look(220, 2, true)).toBe("rest");
    expect(keepalive.look(320, 2, true)).toBe("ping");
    expect(keepalive.look(340, 2, true)).toBe("lost");
  });

  test("without leave to ask it rests, however long the silence", () => {
    const keepalive = new Keepalive({ intervalMs: 100, timeoutMs: 20 }, 0);
    expect(keepalive.look(1_000_000, 0, false)).toBe("rest");
    expect(keepalive.look(1_000_000, 0, true)).toBe("ping");
  });
});

describe("ages", () => {
  const times = { idleMs: 100, maxAgeMs: 1000, graceMs: 50 };

  test("a stream that came and went between two looks is use", () => {
    const ages = new Ages(times, 0);
    expect(ages.look(90, 0, 1)).toBe("stay");
    expect(ages.look(189, 0, 1)).toBe("stay");
    expect(ages.look(190, 0, 1)).toBe("idle");
  });

  test("old comes before idle, and the grace runs from the age on", () => {
    const ages = new Ages(times, 0);
    expect([ages.look(1000, 1, 1), ages.dueMs]).toEqual(["old", 1050]);
    expect(ages.look(1049, 1, 1)).toBe("old");
    expect(ages.look(1050, 1, 1)).toBe("graceOver");
  });

  test("0 means never", () => {
    const ages = new Ages({ idleMs: 0, maxAgeMs: 0, graceMs: 0 }, 0);
    expect([ages.look(1e12, 0, 0), ages.dueMs]).toEqual(["stay", Number.POSITIVE_INFINITY]);
  });

  test("jitter spreads an age evenly to both sides", () => {
    expect([0, 0.5, 1].map((chance) => jittered(1000, 10, () => chance))).toEqual([900, 1000, 1100]);
  });
});

describe("stalls", () => {
  const stream = (id: number, sentBytes: number, isWaiting = true) => ({ id, sentBytes, isWaiting });

  test("are judged by octets since the last progress, each stream for itself", () => {
    const stalls = new Stalls(100, 10);
    expect(stalls.look(0, [stream(1, 0), stream(3, 0)])).toEqual([]);
    expect(stalls.look(60, [stream(1, 10), stream(3, 9)])).toEqual([]);
    expect(stalls.look(100, [stream(1, 10), stream(3, 9)])).toEqual([stream(3, 9)]);
    expect(stalls.look(160, [stream(1, 19)])).toEqual([stream(1, 19)]);
  });

  test("a stream that has caught up in between begins anew", () => {
    const stalls = new Stalls(100, 10);
    stalls.look(0, [stream(1, 0)]);
    stalls.look(50, [stream(1, 5, false)]);
    expect(stalls.look(120, [stream(1, 5)])).toEqual([]);
    expect(stalls.look(220, [stream(1, 5)])).toEqual([stream(1, 5)]);
  });
});

describe("the reset ratio", () => {
  test("is too much when more than half of more than 500 streams of a second were reset", () => {
    const ratio = new ResetRatio(500, 50);
    let opened = 0;
    let firstRefused = 0;
    for (let i = 0; i < 1000 && firstRefused === 0; i++) if (!ratio.add(1, ++opened)) firstRefused = opened;
    expect(firstRefused).toBe(502);
  });

  test("a third is not too much, nor is any share at a slow rate", () => {
    const ratio = new ResetRatio(500, 50);
    const third = Array.from({ length: 5000 }, (_, i) => ratio.add(1, 3 * i));
    const slow = Array.from({ length: 5000 }, (_, i) => ratio.add(10_000 + 2.1 * i, 10_000 + i));
    expect([...third, ...slow].every(Boolean)).toBe(true);
  });
});

describe("the table of limits", () => {
  test("gives every limit a default and a reason, and names units", () => {
    for (const [name, { default: value, reason }] of Object.entries(limitRows)) {
      expect(value, name).toBeGreaterThanOrEqual(0);
      expect(reason.length, name).toBeGreaterThan(20);
    }
    expect(defaultLimits.maxConcurrentStreams).toBe(1000);
  });

  test("reasons are single words, each once", () => {
    const reasons = Object.values(ForcedClose);
    expect(new Set(reasons).size).toBe(reasons.length);
    for (const reason of [...reasons, ...Object.values(StreamRefusal)]) expect(reason).toMatch(/^[a-z_]+$/);
  });

  test("every reason is asserted by a test that makes it happen", () => {
    const folders = [new URL(".", import.meta.url), new URL("../transport/", import.meta.url)];
    const files = folders.flatMap((folder) =>
      readdirSync(folder)
        .filter((file) => file.endsWith(".test.ts") && file !== "decisions.test.ts")
        .map((file) => readFileSync(new URL(file, folder), "utf8")),
    );
    const tests = files.join("\n");
    const missing = [...Object.values(ForcedClose), ...Object.values(StreamRefusal)].filter(
      (reason) => !new RegExp(`["(^|]${reason}["|):]`).test(tests),
    );
    expect(missing).toEqual([]);
  });

  test("what gRPC's clients know by its word alone is GOAWAY's whole text; else the reason comes first", () => {
    expect(goawayText(ForcedClose.TOO_MANY_PINGS, "PING")).toBe("too_many_pings");
    expect(goawayText(ForcedClose.GLITCHES, "empty DATA")).toBe("glitches: empty DATA");
  });
});
