// Floods of frames that cost the proxy work or memory and bring the client nothing. Those that are answered come from a
// client that does not read its socket, so that the answers must wait.

import { type AttackClass, closedBy } from "../attack-class.ts";
import { Code, callBlock, data, FrameType, frame, headers, ping, settings, windowUpdate } from "../octets.ts";
import { floodUnread } from "./flood.ts";

interface Flood {
  readonly name: string;
  readonly source: string;
  readonly reasons?: readonly string[];
  readonly frames: (i: number) => readonly Buffer[];
  /** A request on stream 1 that runs. */
  readonly hasCall?: boolean;
}

const priority = frame(FrameType.PRIORITY, 0, 3, Buffer.from([0, 0, 0, 0, 16]));
const oneStep = [windowUpdate(0, 1), windowUpdate(1, 1)];

const kinds: readonly Flood[] = [
  { name: "ping-flood", source: "CVE-2019-9512", reasons: ["too_many_pings", "control_queue"], frames: () => [ping()] },
  {
    ...{ name: "settings-flood", source: "CVE-2019-9515", reasons: ["settings_flood", "control_queue"] },
    frames: () => [settings()],
  },
  { name: "priority-flood", source: "CVE-2019-9513", reasons: ["glitches"], frames: () => [priority] },
  {
    ...{ name: "empty-data-flood", source: "CVE-2019-9518", reasons: ["glitches"], hasCall: true },
    frames: () => [data(1, "")],
  },
  { name: "window-update-flood", source: "CVE-2019-9511", hasCall: true, frames: () => oneStep },
  {
    ...{ name: "unknown-frames", source: "frames of types that do not exist, 10,000 a second", reasons: ["glitches"] },
    frames: () => [frame(FrameType.UNKNOWN, 0, 0, Buffer.alloc(8))],
  },
];

export const floods: readonly AttackClass[] = kinds.map(({ name, source, reasons, frames, hasCall }) => ({
  name,
  source,
  play: async (arena) => {
    const client = await arena.open();
    if (hasCall === true) client.send(headers(1, callBlock("/hang"), false));
    await client.settled();
    const sinceMs = performance.now();
    await floodUnread(client, { framesPerSecond: 20_000, maxFrames: 40_000, frames });
    await arena.readMemory();
    const refusal = { codes: [Code.ENHANCE_YOUR_CALM], withinMs: 6000, sinceMs };
    return closedBy(client, reasons === undefined ? refusal : { ...refusal, reasons });
  },
}));
