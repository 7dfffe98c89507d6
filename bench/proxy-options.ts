// The options of `npm run bench:proxy`. Pure. Called by proxy.ts.

import { parseFlags } from "../common/script-flags.ts";
import { type Workload, workloads } from "./proxy-load.ts";
import { type Contender, contendersOf, type ProfileName, profiles, usualPeers } from "./proxy-profiles.ts";

export interface ProxyOptions {
  readonly profiles: readonly ProfileName[];
  readonly contenders: readonly Contender[];
  readonly workloads: readonly Workload[];
  readonly caches: readonly ("on" | "off")[];
  readonly runs: number;
  readonly seconds: number;
  readonly workers: number;
  readonly isJson: boolean;
  readonly mayWrite: boolean;
  /** Our rate at 8x32 must be at least this multiple of HAProxy's in the same runs; 0: whatever it is. */
  readonly leastRatio: number;
}

/** A sentence when they are wrong; throws FlagError for an option that there is not. */
export function readProxyOptions(args: readonly string[]): ProxyOptions | string {
  const values = parseFlags(args, {
    profile: { type: "string", default: "plain" },
    peers: { type: "string", default: usualPeers.join(",") },
    workloads: { type: "string", default: workloads.map(({ name }) => name).join(",") },
    caches: { type: "string", default: "on,off" },
    runs: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
    workers: { type: "string", default: "1" },
    "least-ratio": { type: "string", default: "0" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  });
  const allProfiles = Object.keys(profiles) as ProfileName[];
  const asked = allProfiles.filter((name) => values.profile.split(",").includes(name));
  const peers = [...new Set(asked.flatMap((profile) => profiles[profile].map(({ name }) => name)))];
  const shapes = values.workloads.split(",");
  const caches = values.caches.split(",");
  const names = values.peers.split(",");
  const workloadNames = workloads.map(({ name }) => name);
  const wrong =
    firstUnknown("profile", values.profile.split(","), allProfiles) ??
    firstUnknown("peer", names, peers) ??
    firstUnknown("workload", shapes, workloadNames) ??
    firstUnknown("cache", caches, ["on", "off"]) ??
    outside("runs", values.runs, { least: 1, most: 100, isWhole: true }) ??
    outside("seconds", values.seconds, { least: 0.1, most: 600, isWhole: false }) ??
    outside("workers", values.workers, { least: 1, most: 64, isWhole: true }) ??
    outside("least-ratio", values["least-ratio"], { least: 0, most: 100, isWhole: false });
  if (wrong !== undefined) return wrong;
  return {
    profiles: asked,
    contenders: contendersOf(names, asked),
    workloads: workloads.filter(({ name }) => shapes.includes(name)),
    caches: (["on", "off"] as const).filter((cache) => caches.includes(cache)),
    ...{ runs: Number(values.runs), seconds: Number(values.seconds), workers: Number(values.workers) },
    ...{ isJson: values.json, mayWrite: values.write, leastRatio: Number(values["least-ratio"]) },
  };
}

function firstUnknown(what: string, named: readonly string[], known: readonly string[]): string | undefined {
  const unknown = named.find((name) => !known.includes(name));
  return unknown === undefined ? undefined : `no ${what} ${unknown}; there are ${known.join(", ")}`;
}

interface Range {
  readonly least: number;
  readonly most: number;
  readonly isWhole: boolean;
}

function outside(option: string, text: string, { least, most, isWhole }: Range): string | undefined {
  const value = Number(text);
  if (text.trim() !== "" && value >= least && value <= most && (!isWhole || Number.isInteger(value))) return undefined;
  return `--${option} ${text}: expected ${isWhole ? "a whole number" : "a number"} from ${least} to ${most}`;
}
