// Makes a broken conversation from a recorded one: octets changed, frames moved, lengthened in name only, exchanged for
// others or made up. All by the Random it is given, so that a seed makes the same again. Pure.

import type { Random } from "../../../../common/random.ts";
import { clientPreface, FrameType, settingsAckFrame } from "../../frames.ts";
import { randomBlock } from "./random-block.ts";
import { framesOf } from "./recording.ts";

/** A whole number from 0 to `count` - 1. */
export function pick(random: Random, count: number): number {
  return Math.floor(random() * count);
}

export function pickOf<T>(random: Random, choices: readonly T[]): T {
  return choices[pick(random, choices.length)]!;
}

/** `frame` in the form that RFC 9113 section 4.1 draws. */
export function rawFrame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const out = Buffer.alloc(9 + payload.length);
  out.writeUIntBE(payload.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(id >>> 0, 5);
  payload.copy(out, 9);
  return out;
}

const extremes: readonly number[] = [0, 1, 2, 3, 65_535, 65_536, 16_384, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

function randomId(random: Random): number {
  return random() < 0.7 ? 1 + 2 * pick(random, 6) : pickOf(random, [...extremes, 2 * pick(random, 6), 101, 0]);
}

function randomOctets(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: pick(random, most) }, () => pick(random, 256)));
}

/** A frame that a peer might send, or might not. */
export function randomFrame(random: Random): Buffer {
  const id = randomId(random);
  const number = random() < 0.5 ? pickOf(random, extremes) : pick(random, 100_000);
  const uint32 = Buffer.alloc(4);
  uint32.writeUInt32BE(number >>> 0);
  switch (pick(random, 12)) {
    case 0:
      return rawFrame(FrameType.WINDOW_UPDATE, 0, random() < 0.3 ? 0 : id, uint32);
    case 1:
      return rawFrame(FrameType.RST_STREAM, 0, id, uint32);
    case 2:
      return rawFrame(FrameType.PING, pick(random, 2), 0, Buffer.alloc(8, number & 255));
    case 3:
      return rawFrame(FrameType.GOAWAY, 0, 0, Buffer.concat([uint32, Buffer.alloc(4), randomOctets(random, 20)]));
    case 4: {
      const entry = Buffer.alloc(6 * (1 + pick(random, 4)));
      for (let at = 0; at < entry.length; at += 6) {
        entry.writeUInt16BE(pick(random, 10), at);
        entry.writeUInt32BE(pickOf(random, extremes) >>> 0, at + 2);
      }
      return rawFrame(FrameType.SETTINGS, 0, 0, entry);
    }
    case 5:
      return Buffer.from(settingsAckFrame);
    case 6:
      return rawFrame(FrameType.PRIORITY, 0, id, Buffer.concat([uint32, Buffer.of(1)]));
    case 7:
      return rawFrame(FrameType.DATA, pick(random, 2) | (pick(random, 2) * 8), id, randomOctets(random, 300));
    case 8:
      return rawFrame(5, 4, id, Buffer.concat([uint32, randomBlock(random)]));
    case 9:
      return rawFrame(FrameType.CONTINUATION, pick(random, 2) * 4, id, randomBlock(random));
    case 10:
      return rawFrame(pick(random, 256), pick(random, 256), id, randomOctets(random, 64));
    default:
      // Flags of every kind: ended or not, with padding and priority that may not be there.
      return rawFrame(
        FrameType.HEADERS,
        random() < 0.8 ? 4 + pick(random, 2) : pick(random, 64),
        id,
        randomBlock(random),
      );
  }
}

type Mutation = (frames: Buffer[], random: Random, others: readonly Buffer[]) => void;

const at = (frames: readonly Buffer[], random: Random) => pick(random, Math.max(1, frames.length));

function change(frames: Buffer[], random: Random, edit: (frame: Buffer) => Buffer | undefined): void {
  const i = at(frames, random);
  const frame = frames[i];
  if (frame === undefined || frame.length < 9) return;
  frames[i] = edit(frame) ?? frame;
}

/** Each by the name that a report gives it. */
const mutations: Readonly<Record<string, Mutation>> = {
  flipBits: (frames, random) =>
    change(frames, random, (frame) => {
      for (let n = 1 + pick(random, 4); n > 0; n--) frame[pick(random, frame.length)]! ^= 1 << pick(random, 8);
      return undefined;
    }),
  changeOctets: (frames, random) =>
    change(frames, random, (frame) => {
      for (let n = 1 + pick(random, 3); n > 0; n--) frame[pick(random, frame.length)] = pick(random, 256);
      return undefined;
    }),
  lieAboutLength: (frames, random) =>
    change(frames, random, (frame) => {
      const length = frame.length - 9;
      frame.writeUIntBE(
        pickOf(random, [0, length + 1, Math.max(0, length - 1), 16_385, 0xffffff, pick(random, 300)]),
        0,
        3,
      );
      return undefined;
    }),
  changeType: (frames, random) =>
    change(frames, random, (frame) => {
      frame[3] = pick(random, 12);
      return undefined;
    }),
  changeFlags: (frames, random) =>
    change(frames, random, (frame) => {
      frame[4] = pick(random, 64);
      return undefined;
    }),
  changeId: (frames, random) =>
    change(frames, random, (frame) => {
      frame.writeUInt32BE(randomId(random) >>> 0, 5);
      return undefined;
    }),
  cutFrame: (frames, random) => change(frames, random, (frame) => frame.subarray(0, pick(random, frame.length))),
  cutEnd: (frames, random) => void frames.splice(1 + at(frames, random)),
  drop: (frames, random) => void frames.splice(at(frames, random), 1),
  repeat: (frames, random) => {
    const frame = frames[at(frames, random)];
    const copies = random() < 0.1 ? 60 : 1 + pick(random, 3);
    if (frame !== undefined) frames.splice(at(frames, random), 0, ...Array.from({ length: copies }, () => frame));
  },
  swap: (frames, random) => {
    const [a, b] = [at(frames, random), at(frames, random)];
    const frame = frames[a];
    if (frame === undefined || frames[b] === undefined) return;
    frames[a] = frames[b];
    frames[b] = frame;
  },
  splice: (frames, random, others) => {
    const from = pick(random, others.length);
    frames.splice(
      at(frames, random),
      0,
      ...others.slice(from, from + 1 + pick(random, 4)).map((one) => Buffer.from(one)),
    );
  },
  insert: (frames, random) => {
    for (let n = 1 + pick(random, 4); n > 0; n--) frames.splice(at(frames, random) + 1, 0, randomFrame(random));
  },
  flood: (frames, random) => {
    const frame = randomFrame(random);
    frames.push(...Array.from({ length: 1 + pick(random, 1500) }, () => frame));
  },
  splitBlock: (frames, random) =>
    change(frames, random, (frame) => {
      if (frame[3] !== FrameType.HEADERS || frame.length < 12) return undefined;
      const cut = 9 + pick(random, frame.length - 9);
      const id = frame.readUInt32BE(5);
      const parts = [rawFrame(FrameType.HEADERS, frame[4]! & ~4, id, frame.subarray(9, cut))];
      for (let n = pick(random, 10); n > 0; n--) parts.push(rawFrame(FrameType.CONTINUATION, 0, id, Buffer.alloc(0)));
      parts.push(rawFrame(FrameType.CONTINUATION, 4, id, frame.subarray(cut)));
      return Buffer.concat(parts);
    }),
  pad: (frames, random) =>
    change(frames, random, (frame) => {
      if (frame[3]! > 1) return undefined;
      const padding = pick(random, 40);
      const told = random() < 0.8 ? padding : pick(random, 256);
      const payload = Buffer.concat([Buffer.of(told), frame.subarray(9), Buffer.alloc(padding)]);
      return rawFrame(frame[3]!, frame[4]! | 8, frame.readUInt32BE(5), payload);
    }),
};

const names = Object.keys(mutations);

/** `octets` changed in one to six ways, and what was done. `others`: what splices are taken from. */
export function mutate(octets: Buffer, others: Buffer, random: Random): { octets: Buffer; what: readonly string[] } {
  const frames = framesOf(octets);
  const spare = framesOf(others);
  const what: string[] = [];
  for (let n = 1 + pick(random, random() < 0.7 ? 2 : 6); n > 0; n--) {
    const name = pickOf(random, names);
    what.push(name);
    mutations[name]!(frames, random, spare);
  }
  const hasPreface = octets.subarray(0, clientPreface.length).equals(clientPreface);
  const preface = hasPreface ? Buffer.from(clientPreface) : Buffer.alloc(0);
  if (hasPreface && random() < 0.02) preface[pick(random, preface.length)]! ^= 1;
  return { octets: Buffer.concat([preface, ...frames]), what };
}

/** Cuts octets into reads: whole, octet by octet, or anywhere. */
export function fragment(octets: Buffer, random: Random): readonly Buffer[] {
  const kind = random();
  if (kind < 0.4) return [octets];
  // Octet by octet for the beginning only, where most is decided; it takes a turn each.
  if (kind < 0.5) return [...Array.from(octets.subarray(0, 200), (octet) => Buffer.of(octet)), octets.subarray(200)];
  const pieces: Buffer[] = [];
  for (let from = 0; from < octets.length; ) {
    const size = 1 + pick(random, random() < 0.5 ? 40 : 2000);
    pieces.push(octets.subarray(from, from + size));
    from += size;
  }
  return pieces;
}
