// What looks like an attack and is none: it must not be penalised, or limits would cut off real clients.

import type { AttackClass } from "../attack-class.ts";
import { Code, callBlock, data, headers, ping, rstStream } from "../octets.ts";

const call = callBlock("/echo");

/** gRPC clients may do that at the end of each call. */
export const resetAfterResponse: AttackClass = {
  name: "fair-reset-after-response",
  source: "clients that reset each stream whose response is complete",
  play: async (arena) => {
    const client = await arena.open();
    const calls = 3000;
    for (let i = 0; i < calls && !client.isOver; i += 50) {
      for (let n = i; n < i + 50; n++) client.send(headers(2 * n + 1, call, true));
      await client.until(() => client.ended.size >= i + 50, 3000);
      for (let n = i; n < i + 50; n++) client.send(rstStream(2 * n + 1, Code.NO_ERROR));
    }
    const isUp = await client.settled();
    const isAll = client.ended.size === calls;
    return { code: "served", closedMs: null, problem: isUp && isAll ? undefined : client.describe() };
  },
};

/** DATA of one octet a frame is allowed as long as it is taken. */
export const smallFrames: AttackClass = {
  name: "fair-one-octet-frames",
  source: "RUSTSEC-2026-0258 the other way round",
  play: async (arena) => {
    const client = await arena.open();
    const frames = 20_000;
    client.send(headers(1, call, false));
    for (let i = 0; i < frames; i += 500) {
      client.send(...Array.from({ length: 500 }, (_, n) => data(1, "x", i + n === frames - 1)));
      await client.until(() => client.dataBytes >= i, 3000);
    }
    const isDone = await client.until(() => client.ended.has(1), 5000);
    const isWhole = isDone && client.dataBytes === frames;
    return { code: "served", closedMs: null, problem: isWhole ? undefined : client.describe() };
  },
};

export const steadyPings: AttackClass = {
  name: "fair-pings",
  source: "estimators of bandwidth: PINGs with every burst of DATA",
  play: async (arena) => {
    const client = await arena.open();
    for (let i = 0; i < 500; i++) {
      client.send(headers(2 * i + 1, call, true), ping());
      await client.until(() => client.ended.size > i, 2000);
    }
    const isUp = await client.settled();
    return { code: "served", closedMs: null, problem: isUp ? undefined : client.describe() };
  },
};
