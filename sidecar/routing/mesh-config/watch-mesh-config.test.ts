import { cp, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type MeshConfigState, watchMeshConfig } from "./watch-mesh-config.ts";

const quoterConfig = join(import.meta.dirname, "../../../mesh-config");
const splitterFile = "service-splitter/quote-query.json";

describe("watchMeshConfig", () => {
  let home: string;
  let dir: string;
  let states: MeshConfigState[];
  let wake: () => void;
  let stops: AbortController[];

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "ferry-mesh-config-"));
    dir = join(home, "mesh-config");
    states = [];
    stops = [];
    wake = () => {};
    await cp(quoterConfig, dir, { recursive: true });
  });

  afterEach(async () => {
    for (const stop of stops) stop.abort();
    // The last good configuration may be on its way into the folder.
    await rm(home, { recursive: true, force: true, maxRetries: 10 });
  });

  function start(): Promise<MeshConfigState> {
    const stop = new AbortController();
    stops.push(stop);
    const onChange = (state: MeshConfigState) => {
      states.push(state);
      wake();
    };
    const lastGoodFile = join(home, "mesh-config.last-good.json");
    return watchMeshConfig({ dir, lastGoodFile, onChange, signal: stop.signal });
  }

  async function nextState(): Promise<MeshConfigState> {
    while (states.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return states.shift()!;
  }

  const writeSplit = (v1: number, v2: number, file = splitterFile) => {
    const Splits = [
      { Weight: v1, ServiceSubset: "v1" },
      { Weight: v2, ServiceSubset: "v2" },
    ];
    return writeFile(join(dir, file), JSON.stringify({ Kind: "service-splitter", Name: "quote-query", Splits }));
  };
  const weightsOf = ({ config }: MeshConfigState) =>
    config.set.splitters.get("quote-query")?.Splits?.map((split) => split.Weight);

  test("the quoter's own configuration is in force without a problem", async () => {
    const state = await start();
    expect(state.rejected).toEqual([]);
    expect(state.config.notices).toEqual([]);
    expect(weightsOf(state)).toEqual([90, 10]);
    expect(state.config.hash).toMatch(/^[0-9a-f]{16}$/);
  });

  test("an edited file counts within a tenth of a second, however it is written", async () => {
    const first = await start();
    const beganAt = performance.now();
    await writeSplit(0, 100);
    const second = await nextState();
    // 100 ms, and room for a loaded machine.
    expect(performance.now() - beganAt).toBeLessThan(500);
    expect(weightsOf(second)).toEqual([0, 100]);
    expect(second.config.hash).not.toBe(first.config.hash);
    await writeSplit(90, 10, "service-splitter/.new");
    await rename(join(dir, "service-splitter/.new"), join(dir, splitterFile));
    const third = await nextState();
    expect(third.config.hash).toBe(first.config.hash);
  });

  test("a bad file is refused with its place, all that was in force stays, and a good one ends it", async () => {
    const first = await start();
    await writeSplit(90, 5);
    const bad = await nextState();
    expect(bad.rejected).toEqual([
      { file: splitterFile, path: "Splits", expected: "weights that sum to 100", found: "95", suggestion: "" },
    ]);
    expect(bad.config).toBe(first.config);
    await rm(join(dir, splitterFile));
    const good = await nextState();
    expect(good.rejected).toEqual([]);
    expect(weightsOf(good)).toBeUndefined();
  });

  test("a restart with bad files goes on with the last good set; it knows from which directory that came", async () => {
    const first = await start();
    stops[0]!.abort();
    await writeFile(join(dir, splitterFile), "{");
    const second = await start();
    expect(second.config.hash).toBe(first.config.hash);
    expect(second.rejected.map(({ file }) => file)).toEqual([splitterFile]);
    stops[1]!.abort();
    await rename(dir, join(home, "other"));
    dir = join(home, "other");
    const third = await start();
    expect(third.config.entries).toEqual([]);
    expect(third.rejected).toHaveLength(1);
  });

  test("a directory that is missing at the first start means no entries; one that goes away is a mistake", async () => {
    await rename(dir, join(home, "aside"));
    const first = await start();
    expect(first).toMatchObject({ config: { entries: [] }, rejected: [] });
    await rename(join(home, "aside"), dir);
    const second = await nextState();
    expect(weightsOf(second)).toEqual([90, 10]);
    await rename(dir, join(home, "aside"));
    const third = await nextState();
    expect(third.rejected).toEqual([
      { file: dir, path: "", expected: "a directory that can be read", found: "nothing", suggestion: "" },
    ]);
    expect(third.config).toBe(second.config);
  });

  test("what an editor leaves about does not count; a misplaced or misnamed file is told", async () => {
    await writeFile(join(dir, "service-router/.quoter.json.swp"), "x");
    await writeFile(join(dir, "service-router/quoter.json~"), "x");
    await writeFile(join(dir, "quoter.json"), "{}");
    await writeFile(join(dir, "service-router/quoter.yaml"), "x");
    await cp(join(dir, "service-router"), join(dir, "service-routers"), { recursive: true });
    const state = await start();
    expect(state.rejected.map(({ file, suggestion }) => `${file} ${suggestion}`.trim()).sort()).toEqual([
      "quoter.json",
      "service-router/quoter.yaml",
      "service-routers service-router",
    ]);
  });

  test("the order of files and of keys does not change the hash", async () => {
    const first = await start();
    const path = join(dir, "service-defaults/quoter.json");
    const { Kind, Name, Protocol } = JSON.parse(await readFile(path, "utf8"));
    await writeFile(path, JSON.stringify({ Protocol, Name, Kind }));
    await writeSplit(50, 50);
    await nextState();
    await writeSplit(90, 10);
    expect((await nextState()).config.hash).toBe(first.config.hash);
  });
});
