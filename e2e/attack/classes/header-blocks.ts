// Attacks by header blocks: without end (CONTINUATION floods), and small ones that grow when they are decoded (HPACK
// bombs and their forms with many tiny fields), from clients whose windows are shut so that nothing leaves.

import { type Arena, type AttackClass, closedBy, type Outcome } from "../attack-class.ts";
import {
  Code,
  callBlock,
  Flag,
  FrameType,
  frame,
  headers,
  inserted,
  integer,
  literal,
  longHeaders,
  newestEntry,
  Setting,
  windowUpdate,
} from "../octets.ts";
import { flood } from "./flood.ts";

/** A literal whose value is Huffman coded, as many octets of it as fit a frame: each octet must be decoded. */
const huffmanHeavy = Buffer.concat([
  ...[Buffer.of(0), integer(1, 7, 0), Buffer.from("x")],
  // 0x00 is five bits of "0" and the beginning of the next; any run of it is a valid code.
  ...[integer(16_000, 7, 0x80), Buffer.alloc(16_000)],
]);

const continuationKinds: readonly [name: string, source: string, piece: Buffer][] = [
  ["continuation-endless", "CVE-2024-27316", Buffer.alloc(1024, literal("a", "b"))],
  ["continuation-empty", "CVE-2024-27983", Buffer.alloc(0)],
  ["continuation-huffman", "CVE-2023-45288", huffmanHeavy],
];

export const continuationFloods: readonly AttackClass[] = continuationKinds.map(([name, source, piece]) => ({
  name,
  source,
  play: async (arena) => {
    const client = await arena.open();
    await client.settled();
    const sinceMs = performance.now();
    await flood(client, {
      ...{ framesPerSecond: 50_000, maxFrames: 20_000 },
      frames: (i) => [
        i === 0 ? frame(FrameType.HEADERS, 0, 1, callBlock("/hang")) : frame(FrameType.CONTINUATION, 0, 1, piece),
      ],
    });
    const reasons = ["continuation_flood", "header_block_too_large"];
    return closedBy(client, { codes: [Code.ENHANCE_YOUR_CALM], reasons, withinMs: 1000, sinceMs });
  },
}));

const bombConnections = 100;
const requestsPerConnection = 5;

const bombs: readonly [name: string, source: string, head: Buffer, reference: Buffer][] = [
  ["hpack-bomb", "CVE-2016-6581", inserted("a", "x".repeat(4000)), newestEntry],
  ["indexed-field-bomb", "CVE-2026-49975", inserted("a", ""), newestEntry],
  ["cookie-crumb-bomb", "CVE-2026-47774", inserted("cookie", "a"), newestEntry],
];

export const headerBombs: readonly AttackClass[] = bombs.map(([name, source, head, reference]) => ({
  name,
  source,
  play: (arena) => playBomb(arena, head, reference),
}));

/** Each connection sends blocks with 16,000 references; its windows are shut, and drip now and then. */
async function playBomb(arena: Arena, head: Buffer, reference: Buffer): Promise<Outcome> {
  const sinceMs = performance.now();
  const many = Buffer.alloc(16_000, reference);
  const clients = [];
  for (let i = 0; i < bombConnections; i++) {
    const client = await arena.open({ settings: [[Setting.INITIAL_WINDOW_SIZE, 0]] });
    clients.push(client);
    for (let n = 0; n < requestsPerConnection; n++) {
      client.send(
        longHeaders(2 * n + 1, Buffer.concat([callBlock("/bytes/1000"), n === 0 ? head : noOctets, many]), true),
      );
    }
    client.send(windowUpdate(0, 1));
  }
  await Promise.all(
    clients.map((client) =>
      client.until(() => client.statuses.size + client.resetById.size >= requestsPerConnection, 5000),
    ),
  );
  await arena.readMemory();
  const answers = new Map<string, number>();
  for (const client of clients) {
    const codes = [...client.statuses.values(), ...[...client.resetById.values()].map((code) => `RST ${code}`)];
    for (const code of client.goaway === undefined ? codes : [`GOAWAY ${client.goaway.code}`]) {
      answers.set(code, (answers.get(code) ?? 0) + 1);
    }
  }
  const expected = new Set(["200/8", "431", `RST ${Code.ENHANCE_YOUR_CALM}`, `GOAWAY ${Code.ENHANCE_YOUR_CALM}`]);
  const found = [...answers.keys()];
  const refused = [...answers].reduce((sum, [code, count]) => sum + (expected.has(code) ? count : 0), 0);
  const isAll = found.every((code) => expected.has(code)) && refused >= bombConnections;
  const problem = isAll ? undefined : `answers: ${JSON.stringify([...answers])}`;
  // A connection whose requests were refused may stay: it did nothing that a broken client could not do.
  const isClosed = clients.every((client) => client.isOver);
  return { code: found.join(" "), closedMs: isClosed ? Math.round(performance.now() - sinceMs) : null, problem };
}

/** Just below the limits, pinned by shut windows: what is allowed must not cost much either. */
export const pinnedFields: AttackClass = {
  name: "fields-pinned-below-limit",
  source: "CVE-2026-47774, below the limits",
  mayHold: "100 connections with 5 calls under way each, 120 fields a call",
  play: async (arena) => {
    const many = Buffer.alloc(110, newestEntry);
    for (let i = 0; i < bombConnections; i++) {
      const client = await arena.open({ settings: [[Setting.INITIAL_WINDOW_SIZE, 0]] });
      for (let n = 0; n < requestsPerConnection; n++) {
        const head = n === 0 ? inserted("cookie", "a") : noOctets;
        client.send(headers(2 * n + 1, Buffer.concat([callBlock("/bytes/1000"), head, many]), true));
      }
      await client.until(() => client.statuses.size >= requestsPerConnection, 2000);
    }
    await arena.readMemory();
    return { code: "absorbed", closedMs: null };
  },
};

const oversized: readonly [name: string, source: string, fields: () => Buffer][] = [
  ["header-list-size", "a header list over the limit", () => literal("x-long", "v".repeat(40_000))],
  [
    "header-count",
    "more fields than the limit",
    () => Buffer.concat(Array.from({ length: 200 }, (_, i) => literal(`x-${i}`, ""))),
  ],
];

export const oversizedHeaders: readonly AttackClass[] = oversized.map(([name, source, fields]) => ({
  name,
  source,
  play: async (arena) => {
    const client = await arena.open();
    const sinceMs = performance.now();
    client.send(longHeaders(1, Buffer.concat([callBlock("/echo"), fields()]), true));
    await client.until(() => client.statuses.has(1) || client.resetById.has(1), 2000);
    const code = client.statuses.get(1) ?? `RST ${client.resetById.get(1)}`;
    // HPACK must be in step: the next call on the same connection is a good one.
    client.send(headers(3, callBlock("/echo"), true));
    const isInStep = await client.until(() => client.statuses.get(3) === "200/0", 2000);
    const isRefused = code === "200/8" || code === "431";
    const problem = !isRefused ? `not refused: ${client.describe()}` : isInStep ? undefined : "the next call fails";
    return { code, closedMs: client.isOver ? Math.round(performance.now() - sinceMs) : null, problem };
  },
}));

const noOctets: Buffer = Buffer.alloc(0);
export const emptyNames: AttackClass = {
  name: "empty-header-names",
  source: "CVE-2019-9516",
  play: async (arena) => {
    const client = await arena.open();
    const sinceMs = performance.now();
    const empty = Buffer.concat([callBlock("/echo"), ...Array.from({ length: 50 }, () => literal("", ""))]);
    await flood(client, {
      ...{ framesPerSecond: 5000, maxFrames: 2000 },
      frames: (i) => [frame(FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 2 * i + 1, empty)],
    });
    const refusal = { codes: [Code.ENHANCE_YOUR_CALM], reasons: ["own_resets"], withinMs: 2000, sinceMs };
    const outcome = await closedBy(client, refusal);
    const wasReset = client.resetById.get(1) === Code.PROTOCOL_ERROR;
    return { ...outcome, problem: outcome.problem ?? (wasReset ? undefined : "the first was not reset") };
  },
};
