// Attacks by reset: the client resets its own requests (Rapid Reset), or has the proxy reset requests that run (six
// forms of MadeYouReset). Either way work at the backend must end and the connection with it.

import { type Arena, type AttackClass, closedBy, type Outcome } from "../attack-class.ts";
import { Code, callBlock, data, FrameType, frame, headers, rstStream, windowUpdate } from "../octets.ts";
import type { RawClient } from "../raw-client.ts";
import { flood, floodUnread } from "./flood.ts";

export const rapidReset: AttackClass = {
  name: "rapid-reset",
  source: "CVE-2023-44487",
  play: async (arena) => {
    const client = await arena.open();
    const sinceMs = performance.now();
    const call = callBlock("/hang");
    await flood(client, {
      framesPerSecond: 20_000,
      maxFrames: 20_000,
      frames: (i) => [headers(2 * i + 1, call, true), rstStream(2 * i + 1, Code.CANCEL)],
    });
    const codes = [Code.ENHANCE_YOUR_CALM];
    const outcome = await closedBy(client, { codes, reasons: ["client_resets"], withinMs: 3000, sinceMs });
    return { ...outcome, problem: outcome.problem ?? (await leftAtBackend(arena)) };
  },
};

/** As rapid reset, but no connection comes near its own budget: many connections at once. */
export const spreadReset: AttackClass = {
  name: "rapid-reset-spread",
  isDisruptive: true,
  isLong: true,
  source: "CVE-2023-44487, below the budget of each connection",
  play: async (arena) => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => arena.open()));
    const sinceMs = performance.now();
    const call = callBlock("/hang");
    await Promise.all(
      clients.map((client) =>
        flood(client, {
          framesPerSecond: 2000,
          maxFrames: 900,
          frames: (i) => [headers(2 * i + 1, call, true), rstStream(2 * i + 1, Code.CANCEL)],
        }),
      ),
    );
    const isUp = await Promise.all(clients.map((client) => client.settled()));
    const closed = isUp.filter((up) => !up).length;
    const closedMs = closed === 0 ? null : Math.round(performance.now() - sinceMs);
    return {
      code: closed === 0 ? "absorbed" : `${closed} of 20 closed`,
      closedMs,
      problem: await leftAtBackend(arena),
    };
  },
};

interface Primitive {
  readonly name: string;
  readonly codes: readonly number[];
  /** RST_STREAM with this code must come before GOAWAY. */
  readonly reset?: number;
  /** Whether the request that is to be reset has ended. */
  readonly hasEnded: boolean;
  readonly frames: (id: number) => Buffer;
}

const primitives: readonly Primitive[] = [
  {
    ...{ name: "window-update-zero", codes: [Code.PROTOCOL_ERROR], hasEnded: false },
    frames: (id) => windowUpdate(id, 0),
  },
  {
    ...{ name: "window-overflow", codes: [Code.FLOW_CONTROL_ERROR, Code.ENHANCE_YOUR_CALM], hasEnded: false },
    reset: Code.FLOW_CONTROL_ERROR,
    frames: (id) => windowUpdate(id, 2 ** 31 - 1),
  },
  {
    ...{ name: "priority-length", codes: [Code.FRAME_SIZE_ERROR], hasEnded: false },
    frames: (id) => frame(FrameType.PRIORITY, 0, id, Buffer.alloc(4)),
  },
  {
    ...{ name: "priority-self", codes: [Code.PROTOCOL_ERROR], hasEnded: false },
    frames: (id) => frame(FrameType.PRIORITY, 0, id, Buffer.from([0, 0, 0, id, 16])),
  },
  {
    ...{ name: "headers-after-end", codes: [Code.STREAM_CLOSED], hasEnded: true },
    frames: (id) => headers(id, callBlock("/hang"), true),
  },
  { ...{ name: "data-after-end", codes: [Code.STREAM_CLOSED], hasEnded: true }, frames: (id) => data(id, "x", true) },
];

export const madeYouReset: readonly AttackClass[] = primitives.map((primitive) => ({
  name: `made-you-reset-${primitive.name}`,
  source: "CVE-2025-8671",
  play: (arena) => playPrimitive(arena, primitive),
}));

async function playPrimitive(arena: Arena, primitive: Primitive): Promise<Outcome> {
  const client = await arena.open();
  const { hanging: before } = await arena.backend();
  // Ten requests that run at the backend; one of them is then made to be reset.
  for (let id = 1; id < 20; id += 2) client.send(headers(id, callBlock("/hang"), primitive.hasEnded));
  await client.settled();
  if (!(await runAtBackend(arena, before + 10))) {
    return { code: "none", closedMs: null, problem: "the requests did not reach the backend" };
  }
  const sinceMs = performance.now();
  client.send(primitive.frames(1));
  const outcome = await closedBy(client, { codes: primitive.codes, withinMs: 1000, sinceMs });
  const missing =
    primitive.reset !== undefined && client.resetById.get(1) !== primitive.reset
      ? "no RST_STREAM FLOW_CONTROL_ERROR came first"
      : undefined;
  return { ...outcome, problem: outcome.problem ?? missing ?? (await leftAtBackend(arena)) };
}

/** Resets of streams that have ended long ago, from a client that does not read. */
export const resetsOnClosed: AttackClass = {
  name: "reset-on-closed-streams",
  source: "CVE-2019-9514",
  play: async (arena) => {
    const client = await arena.open();
    await endCalls(client, 5);
    const sinceMs = performance.now();
    await floodUnread(client, {
      framesPerSecond: 20_000,
      maxFrames: 40_000,
      frames: (i) => [rstStream(1 + 2 * (i % 5), Code.CANCEL)],
    });
    await arena.readMemory();
    return closedBy(client, { codes: [Code.ENHANCE_YOUR_CALM], withinMs: 6000, sinceMs });
  },
};

/** Makes calls and waits for their ends. */
export async function endCalls(client: RawClient, count: number): Promise<void> {
  for (let i = 0; i < count; i++) client.send(headers(2 * i + 1, callBlock("/echo"), true));
  if (!(await client.until(() => client.ended.size >= count, 5000))) {
    throw new Error(`${client.ended.size} of ${count} calls ended: ${client.describe()}`);
  }
}

async function runAtBackend(arena: Arena, count: number): Promise<boolean> {
  for (let i = 0; i < 50; i++) {
    if ((await arena.backend()).hanging >= count) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

/** What is still running at the backend a second after the attack. */
async function leftAtBackend(arena: Arena): Promise<string | undefined> {
  let hanging = 0;
  for (let i = 0; i < 50; i++) {
    hanging = (await arena.backend()).hanging;
    if (hanging === 0) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return `${hanging} requests still run at the backend`;
}
