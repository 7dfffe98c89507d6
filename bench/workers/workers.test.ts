import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CpuShares } from "./cpu-shares.ts";
import { reportWorkers, scalingMust } from "./report.ts";

const measurement = (workers: number, rps: number, cpu: number, run = 0) => ({
  ...{ run, workers, rps, cpu, controlCpu: 0 },
});

describe("reportWorkers", () => {
  test("with fixed shares it is the rate that counts, within each run", () => {
    const runs = [1, 10, 100].flatMap((speed, run) => [
      measurement(1, 10 * speed, 0.4, run),
      measurement(2, 19 * speed, 0.8, run),
    ]);
    const report = reportWorkers(runs, true);
    expect(report.scaling).toBe(1.9);
    expect(report.rows[1]).toEqual({ workers: 2, rps: 190, cpu: 0.8, controlCpu: 0, rpsPerCore: 238 });
    expect(scalingMust(report)).toMatchObject({ expected: ">= 1.8", isMet: true });
  });

  test("without them two workers that share a core with the load count by their rate per core", () => {
    const report = reportWorkers([measurement(1, 80, 1), measurement(2, 90, 1.25)], false);
    expect(report.scaling).toBe(1.8);
  });

  test("one number of workers scales to nothing", () => {
    expect(reportWorkers([measurement(2, 80, 1)], true).scaling).toBeUndefined();
    expect(scalingMust(reportWorkers([measurement(1, 80, 1)], true)).isMet).toBeUndefined();
  });
});

// On folders that look like the kernel's: what is written, not what it does.
describe("CpuShares", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "ferry-cgroup-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** What the one group in `folder` was told. */
  const told = (folder: string, name: string) => {
    const group = readdirSync(folder).find((entry) => entry.startsWith("ferry-bench-"))!;
    return readFileSync(join(folder, group, name), "utf8");
  };

  const open = () => {
    const shares = CpuShares.open(root);
    if (typeof shares === "string") throw new Error(shares);
    return shares;
  };

  test("limits by quota and period where the first version of control groups is", () => {
    mkdirSync(join(root, "cpu"));
    writeFileSync(join(root, "cpu/cpu.cfs_quota_us"), "-1");
    open().give(7, 0.4);
    const folder = join(root, "cpu");
    expect(["cpu.cfs_period_us", "cpu.cfs_quota_us", "cgroup.procs"].map((name) => told(folder, name))).toEqual([
      ...["10000", "4000", "7"],
    ]);
  });

  test("limits by cpu.max where the second is", () => {
    writeFileSync(join(root, "cgroup.subtree_control"), "cpuset cpu io\n");
    open().give(7, 0.25);
    expect(["cpu.max", "cgroup.procs"].map((name) => told(root, name))).toEqual(["2500 10000", "7"]);
  });

  test("says why there is none, and leaves nothing behind", () => {
    expect(CpuShares.open(root)).toBe(`${root} has no cpu controller`);
    writeFileSync(join(root, "cgroup.subtree_control"), "memory\n");
    expect(CpuShares.open(root)).toBe(`${root} has no cpu controller`);
    writeFileSync(join(root, "cgroup.subtree_control"), "cpu\n");
    open();
    expect(readdirSync(root)).toEqual(["cgroup.subtree_control"]);
    expect(existsSync(root)).toBe(true);
  });
});
