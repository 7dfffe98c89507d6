// A FERRY_HOME of a test's own, and the proof that nothing that was started in it is left: every process of a system
// inherits FERRY_HOME, so /proc tells who belongs to it.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TestHome {
  readonly path: string;
  /** Running processes of this home, as `123 node /…/sidecar/main.ts`. */
  processes(): string[];
  /** Waits up to 5 s for them to be gone and returns those that are not. */
  leftOver(): Promise<string[]>;
  /** SIGKILL to whatever is left, and the directory's end. */
  remove(): void;
}

export function makeHome(): TestHome {
  const path = mkdtempSync(join(tmpdir(), "ferry-e2e-"));
  const processes = () => processesWith(`FERRY_HOME=${path}`);
  return {
    path,
    processes,
    async leftOver() {
      const untilMs = Date.now() + 5000;
      while (processes().length > 0 && Date.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 50));
      return processes();
    },
    remove() {
      for (const line of processes()) process.kill(Number(line.split(" ")[0]), "SIGKILL");
      rmSync(path, { recursive: true, force: true });
    },
  };
}

function processesWith(variable: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(variable)) continue;
      // A zombie has ended; only its parent has not looked yet.
      if (/^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) continue;
      found.push(`${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim()}`);
    } catch {
      // It ended while we looked, or is somebody else's.
    }
  }
  return found;
}
