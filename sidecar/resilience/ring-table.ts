// Ketama's ring: every endpoint owns points on a circle of 2^32, as many as its weight says, and a hash belongs to the
// next point. Who goes leaves only its own points, so nobody else's keys move. Pure.
//
// How many points an endpoint has must hardly depend on how many endpoints there are, or one more or less would shift
// all: each of average weight gets half of MinimumRingSize (so two make the minimum), up to 131,072 on the ring.

import { mixBits, stringHash } from "../../common/string-hash.ts";
import type { Endpoint } from "../discovery/registry.ts";
import type { HashTable } from "./hash-table.ts";

const endpointSeed = 0x51ed270b;
/** More cost build time and memory, and share no better; a higher MinimumRingSize is honoured. */
const usualMaxPoints = 131_072;
const golden = 0x9e3779b9;

/** `endpoints` in order of ids. */
export function ringTable(
  endpoints: readonly Endpoint[],
  { minPoints, maxPoints }: { readonly minPoints: number; readonly maxPoints: number },
): HashTable {
  const count = endpoints.length;
  const wanted = Math.max(minPoints, Math.min((count * minPoints) / 2, usualMaxPoints));
  const each = Math.min(wanted, maxPoints) / count;
  const usual = usualWeight(endpoints);
  const pointsOf = endpoints.map(({ weight }) => Math.max(1, Math.round((each * weight) / usual)));
  // A point and its owner in one number, which sorts faster than objects: 32 bits and 21 are what a double holds.
  const packed = new Float64Array(pointsOf.reduce((sum, points) => sum + points, 0));
  let at = 0;
  for (let index = 0; index < count; index++) {
    const start = stringHash(endpoints[index]!.id, endpointSeed);
    const end = at + pointsOf[index]!;
    for (let point = 0; at < end; at++, point++) {
      packed[at] = mixBits((start + Math.imul(point, golden)) | 0) * maxMembers + index;
    }
  }
  packed.sort();
  const points = new Uint32Array(packed.length);
  const owners = new Uint32Array(packed.length);
  for (let i = 0; i < packed.length; i++) {
    const value = packed[i]!;
    points[i] = Math.floor(value / maxMembers);
    owners[i] = value - points[i]! * maxMembers;
  }
  return { owners, positionOf: (hash) => next(points, hash) };
}

const maxMembers = 2 ** 21;

/** The average weight, rounded to a power of two, so that it does not change whenever one endpoint goes. */
function usualWeight(endpoints: readonly Endpoint[]): number {
  const sum = endpoints.reduce((total, { weight }) => total + weight, 0);
  return 2 ** Math.round(Math.log2(sum / endpoints.length));
}

/** The first point at or after `hash`; after the last comes the first. */
function next(points: Uint32Array, hash: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (points[middle]! < hash) low = middle + 1;
    else high = middle;
  }
  return low === points.length ? 0 : low;
}
