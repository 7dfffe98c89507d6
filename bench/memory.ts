// What our processes hold and how they collect, each seen from outside:
//
//   npm run bench:memory -- [--calls 10000000] [--connections 10000] [--starts 7] [--json] [--write]
//
// Start to ready; resident memory idle, and of `ferry proxy` with idle connections; and of the sidecar with every
// default layer under the load of bench:proxy (8x32 64B, caches off, no pause between calls): octets that V8 allocates
// for a call, its collections and their pauses, and how the heap has grown behind all those calls. Processes on core 0,
// load and backend on core 1. Ends with 1 when a must is not met. See bench/README.md.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resultLine } from "../common/json-output.ts";
import { readFlags } from "../common/script-flags.ts";
import {
  idleRssMb,
  proxyProgram,
  type Setting,
  sidecarProgram,
  startMsOf,
  underLoad,
  withConnections,
} from "./memory/measure.ts";
import { type MemoryFigures, memoryMusts, memoryPart } from "./memory/report.ts";
import { formatMusts } from "./musts.ts";
import { endChildrenWithUs } from "./peers/peer.ts";
import { madeBy, writePart } from "./performance-page.ts";
import { loadCore, startBackend } from "./proxy-measure.ts";

async function measureAll(
  setting: Setting,
  { calls, connections, starts }: Record<"calls" | "connections" | "starts", number>,
): Promise<MemoryFigures> {
  const { log } = setting;
  const startMs = {
    sidecar: await startMsOf(() => sidecarProgram(setting), starts),
    proxy: await startMsOf(() => proxyProgram(setting), starts),
  };
  log(`start to ready: sidecar ${startMs.sidecar} ms, ferry proxy ${startMs.proxy} ms`);
  const idleMb = { sidecar: await idleRssMb(sidecarProgram(setting)), proxy: await idleRssMb(proxyProgram(setting)) };
  log(`idle: sidecar ${idleMb.sidecar} MB, ferry proxy ${idleMb.proxy} MB`);
  const held = await withConnections(setting, connections);
  log(`${connections} idle connections: ${held.rssMb} MB, ${held.bytesPerConnection} octets each`);
  return { startMs, idleMb, connections: held, load: await underLoad(setting, calls) };
}

async function main(args: readonly string[]): Promise<number> {
  const values = readFlags("bench:memory", {
    calls: { type: "string", default: "10000000" },
    connections: { type: "string", default: "10000" },
    starts: { type: "string", default: "7" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  });
  const [calls = 0, connections = 0, starts = 0] = [values.calls, values.connections, values.starts].map(Number);
  const isGood = within(calls, 100_000, 1_000_000_000) && within(connections, 1, 15_000) && within(starts, 1, 100);
  if (!isGood) {
    const expected = "--calls from 100000 to 1000000000, --connections from 1 to 15000, --starts from 1 to 100";
    console.error(`bench:memory: ${values.calls}, ${values.connections}, ${values.starts}: expected ${expected}`);
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), "ferry-memory-"));
  const backend = await startBackend(loadCore);
  const log = (line: string) => console.error(line);
  try {
    const figures = await measureAll({ backend, folder, log }, { calls, connections, starts });
    const musts = memoryMusts(figures);
    const isOk = musts.every(({ isMet, expected }) => isMet === true || expected.startsWith("aim"));
    const part = memoryPart(madeBy("bench:memory", args), figures);
    if (values.write) writePart("bench:memory", part);
    console.log(
      values.json ? resultLine("bench:memory", isOk, { ...figures, musts }) : `${part}\n\n${formatMusts(musts)}`,
    );
    return isOk ? 0 : 1;
  } finally {
    backend.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function within(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

endChildrenWithUs();
process.exitCode = await main(process.argv.slice(2));
