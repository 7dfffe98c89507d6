// How many copies are under way to each mirror target: the mirror's own budget, so that a target that hangs costs a
// bounded number of bodies and streams and no real call its place. One per worker, shared by all its listeners. A
// target without copies is forgotten, so it cannot grow for ever.

import type { MirrorTarget } from "../routing/policy/mirror-policy.ts";

export class MirrorPlaces {
  readonly #underWay = new Map<string, number>();

  /** False when `maxCalls` copies are under way to the target already. */
  take(target: MirrorTarget, maxCalls: number): boolean {
    const count = this.underWay(target);
    if (count >= maxCalls) return false;
    this.#underWay.set(target.name, count + 1);
    return true;
  }

  giveBack(target: MirrorTarget): void {
    const count = this.underWay(target);
    if (count <= 1) this.#underWay.delete(target.name);
    else this.#underWay.set(target.name, count - 1);
  }

  underWay(target: MirrorTarget): number {
    return this.#underWay.get(target.name) ?? 0;
  }
}
