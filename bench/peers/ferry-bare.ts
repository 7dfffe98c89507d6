// The peer of profile `bare`: bare-proxy.ts on its core.

import { fileURLToPath } from "node:url";
import { firstLineOf, keepOutput, type Peer, runningChild, spawnOnCore, stopChild } from "./peer.ts";

const program = fileURLToPath(new URL("bare-proxy.ts", import.meta.url));

export const ferryBare: Peer = {
  name: "ferry",
  missing: () => undefined,
  async start({ backendPort, core }) {
    const child = spawnOnCore(core, [process.execPath, program, String(backendPort)]);
    const said = keepOutput(child);
    const first = await firstLineOf(child);
    if (first === undefined) {
      await stopChild(child);
      throw new Error(`the bare proxy did not start: ${said()}`);
    }
    return runningChild(child, (JSON.parse(first) as { port: number }).port);
  },
};
