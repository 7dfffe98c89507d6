// The trial of a seed and a step: always the same one. Pure but for the corpus it is given.

import { seededRandom } from "../../../../common/random.ts";
import { clientPreface } from "../../frames.ts";
import { fragment, mutate, pick, pickOf, randomFrame } from "./mutate.ts";
import { framesOf, type Recording } from "./recording.ts";
import type { Trial } from "./trial.ts";

export interface MadeTrial extends Trial {
  /** How it was made, for a report. */
  readonly what: string;
}

export function makeTrial(corpus: readonly Recording[], seed: number, step: number): MadeTrial {
  const random = seededRandom(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(step + 1, 0x85ebca6b));
  const role = random() < 0.6 ? "server" : "client";
  const side = role === "server" ? "client" : "server";
  const recording = pickOf(random, corpus);
  const other = pickOf(random, corpus);
  const kind = random();
  let octets: Buffer;
  let what: string;
  if (kind < 0.75) {
    const made = mutate(recording[side], other[random() < 0.8 ? side : role], random);
    octets = made.octets;
    what = `${recording.name}: ${made.what.join(", ")}`;
  } else if (kind < 0.95) {
    const begin = role === "server" ? clientPreface : Buffer.alloc(0);
    const settings = framesOf(recording[side])[0] ?? Buffer.alloc(0);
    const frames = Array.from({ length: pick(random, 40) }, () => randomFrame(random));
    octets = Buffer.concat([begin, settings, ...frames]);
    what = `${frames.length} random frames`;
  } else {
    octets = Buffer.from(Array.from({ length: pick(random, 500) }, () => pick(random, 256)));
    what = "random octets";
  }
  const reads = fragment(octets, random);
  const ending = random() < 0.05 ? "silent" : "closes";
  return { role, reads, behaviour: pick(random, 30), ending, what };
}
