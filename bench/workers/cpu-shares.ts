// A fixed share of a core for single processes, by Linux's cpu controller: what makes one and two workers comparable on
// a machine that has not a core for each beside load and backend. Needs the right to make control groups, which root
// has. Called by bench/workers.ts.

import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Short, so that a process that has used its share waits some milliseconds only. */
const periodUs = 10_000;

/** Where the controller is, and how its files are called. */
interface Controller {
  readonly root: string;
  limit(folder: string, quotaUs: number): void;
}

export class CpuShares {
  readonly #controller: Controller;
  readonly #made: string[] = [];

  private constructor(controller: Controller) {
    this.#controller = controller;
  }

  /** A sentence when there is no such right here. `root`: where control groups are mounted. */
  static open(root = "/sys/fs/cgroup"): CpuShares | string {
    const controller = controllerIn(root);
    if (controller === undefined) return `${root} has no cpu controller`;
    try {
      accessSync(controller.root, constants.W_OK);
      const shares = new CpuShares(controller);
      shares.#make();
      shares.close();
      return shares;
    } catch (error) {
      return `no control group can be made in ${controller.root}: ${(error as Error).message}`;
    }
  }

  /** From now on `pid`, with all its threads, gets `share` of a core at the most. */
  give(pid: number, share: number): void {
    const folder = this.#make();
    this.#controller.limit(folder, Math.round(periodUs * share));
    writeFileSync(join(folder, "cgroup.procs"), String(pid));
  }

  /** Removes the groups; their processes must have gone. */
  close(): void {
    for (const folder of this.#made.splice(0)) rmdirSync(folder);
  }

  #make(): string {
    const folder = join(this.#controller.root, `ferry-bench-${process.pid}-${this.#made.length}`);
    mkdirSync(folder);
    this.#made.push(folder);
    return folder;
  }
}

function controllerIn(root: string): Controller | undefined {
  const first = join(root, "cpu");
  if (existsSync(join(first, "cpu.cfs_quota_us"))) {
    return {
      root: first,
      limit(folder, quotaUs) {
        writeFileSync(join(folder, "cpu.cfs_period_us"), String(periodUs));
        writeFileSync(join(folder, "cpu.cfs_quota_us"), String(quotaUs));
      },
    };
  }
  const second = join(root, "cgroup.subtree_control");
  if (!existsSync(second) || !readFileSync(second, "utf8").split(/\s+/).includes("cpu")) return undefined;
  return { root, limit: (folder, quotaUs) => writeFileSync(join(folder, "cpu.max"), `${quotaUs} ${periodUs}`) };
}
