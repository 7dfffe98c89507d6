// Attacks by number: streams on one connection, connections from one address.

import { type AttackClass, closedBy } from "../attack-class.ts";
import { Code, callBlock, headers, rstStream, Setting } from "../octets.ts";
import type { RawClient } from "../raw-client.ts";

const manyStreams = 10_000;

/** All at once, without a look at MAX_CONCURRENT_STREAMS. */
export const streamFlood: AttackClass = {
  name: "streams-10000-at-once",
  source: "CVE-2023-44487 without resets",
  mayHold: "as many running calls as MAX_CONCURRENT_STREAMS allows",
  play: async (arena) => {
    const client = await arena.open();
    await client.settled();
    const sinceMs = performance.now();
    const call = callBlock("/hang");
    for (let i = 0; i < manyStreams; i += 100) {
      client.send(...Array.from({ length: 100 }, (_, n) => headers(2 * (i + n) + 1, call, true)));
    }
    await client.until(() => client.goaway !== undefined || client.resetById.size >= manyStreams - 1000, 5000);
    await client.until(() => client.isOver, 300);
    const { peakOpen } = await arena.backend();
    await arena.readMemory();
    arena.log(`${peakOpen} at once at the backend, ${client.resetById.size} refused`);
    if (client.goaway !== undefined) {
      return closedBy(client, { codes: [Code.ENHANCE_YOUR_CALM], withinMs: 6000, sinceMs });
    }
    const isRefused = [...client.resets.keys()].every((code) => code === Code.REFUSED_STREAM);
    const isAll = client.resetById.size + peakOpen >= manyStreams;
    const problem = isRefused && isAll ? undefined : `answers: ${client.describe()}, ${peakOpen} at the backend`;
    return { code: "RST_STREAM REFUSED_STREAM", closedMs: null, problem };
  },
};

const manyConnections = 3000;

/** Idle connections from one address, until no more are taken. */
export const connectionFlood: AttackClass = {
  name: "connections-from-one-address",
  isDisruptive: true,
  source: "no cap by address",
  isLong: true,
  mayHold: "idle connections up to the cap",
  play: async (arena) => {
    const sinceMs = performance.now();
    const clients: RawClient[] = [];
    let refused = 0;
    for (let i = 0; i < manyConnections && refused < 20; i += 50) {
      const opened = await Promise.all(Array.from({ length: 50 }, () => arena.open().catch(() => undefined)));
      const taken = opened.filter((client) => client !== undefined);
      await Promise.all(taken.map((client) => client.settled(2000)));
      refused += 50 - taken.filter((client) => !client.isOver).length;
      clients.push(...taken);
    }
    const held = clients.filter((client) => !client.isOver).length;
    await arena.readMemory();
    const problem = refused > 0 ? undefined : `${held} connections were taken and none refused`;
    return {
      code: refused > 0 ? `${held} taken, then refused` : "none",
      closedMs: Math.round(performance.now() - sinceMs),
      problem,
    };
  },
};

const stalledStreams = 1000;
const streamWindowBytes = 262_144;

/** Responses that nobody takes, on many streams: each may hold its stream's window and not more, until it is reset. */
export const stalledCrowd: AttackClass = {
  name: "stalled-streams-1000",
  isDisruptive: true,
  source: "the client's windows are shut, each stream holds what the proxy granted the backend",
  isLong: true,
  judgedByUse: "freed slabs of 16 KiB stay with the C library's allocator, which uses them again",
  mayHold: "a stream window (256 KiB) for each of 1,000 streams; maxBufferedBytes bounds all together",
  play: async (arena) => {
    const client = await arena.open({ settings: [[Setting.INITIAL_WINDOW_SIZE, 0]] });
    await client.settled();
    for (let n = 0; n < stalledStreams; n++) client.send(headers(2 * n + 1, callBlock("/bytes/1000000"), true));
    await client.until(() => client.statuses.size >= stalledStreams, 10_000);
    // The windows fill.
    await client.until(() => false, 1500);
    const heldMb = await arena.readMemory();
    const mostMb = (stalledStreams * streamWindowBytes * 1.2) / 1e6;
    const sinceMs = performance.now();
    for (let n = 0; n < stalledStreams; n++) client.send(rstStream(2 * n + 1, Code.CANCEL));
    await client.settled();
    const closedMs = Math.round(performance.now() - sinceMs);
    const problem = heldMb <= mostMb ? undefined : `held ${heldMb.toFixed(1)} MB, at most ${mostMb.toFixed(1)} MB`;
    return { code: "absorbed", closedMs: client.isOver ? closedMs : null, problem };
  },
};
