// The peer of profile `bare`: bare-proxy.ts on its core.

import { fileURLToPath } from "node:url";
import { type Peer, readyLineOf, runningChild, spawnOnCores } from "./peer.ts";

const program = fileURLToPath(new URL("bare-proxy.ts", import.meta.url));

export const ferryBare: Peer = {
  name: "ferry",
  obstacle: ({ workers }) => (workers > 1 ? "the bare proxy has one worker" : undefined),
  async start({ backendPort, cores }) {
    const child = spawnOnCores(cores, [process.execPath, program, String(backendPort)]);
    return runningChild(child, (await readyLineOf(child)).port!);
  },
};
