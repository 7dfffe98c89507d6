// The programs of this checkout that commands start, and the settings that all sidecars share.

import { fileURLToPath } from "node:url";
import type { ChildSpec } from "./child.ts";

/** The checkout's own directory. */
export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Where Node keeps compiled code of ours from start to start: half the time, and 25 MB less in each process. */
export const compileCache = `${root}/node_modules/.cache/ferry`;

type Program = Pick<ChildSpec, "command" | "args" | "readyTimeoutMs">;

/**
 * Each waits up to 60 s for the servers it stands on, says so in its log, and ends with a sentence: longer than that,
 * on a machine that starts fifteen of them on two busy cores.
 */
const readyTimeoutMs = 90_000;

function program(main: string): Program {
  return { command: process.execPath, args: [`${root}/${main}`], readyTimeoutMs };
}

export const sidecarProgram = program("sidecar/main.ts");
export const commandProgram = program("services/quote-command/main.ts");
export const queryProgram = program("services/quote-query/main.ts");
export const projectorProgram = program("services/quote-projector/main.ts");

export function sidecarEnv(spec: { home: string; meshConfig: string; env: NodeJS.ProcessEnv }): NodeJS.ProcessEnv {
  return {
    NODE_COMPILE_CACHE: compileCache,
    FERRY_REGISTRY: "directory",
    ...spec.env,
    FERRY_HOME: spec.home,
    FERRY_MESH_CONFIG: spec.meshConfig,
  };
}
