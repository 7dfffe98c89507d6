// Everything that the control part has put in force: what a worker that starts later is given before its first
// connection. Of each thing the last word counts. No I/O.

import type { ControlUpdate } from "../data-part.ts";
import type { Snapshot } from "../routing/snapshot.ts";

export class InForce {
  readonly #updates = new Map<string, ControlUpdate>();

  note(update: ControlUpdate): void {
    const key = update.kind === "snapshot" ? `snapshot ${update.snapshot.upstream}` : update.kind;
    const before = this.#updates.get(key);
    const isMore = update.kind === "edge" && before?.kind === "edge";
    this.#updates.set(key, isMore ? { kind: "edge", facts: { ...before.facts, ...update.facts } } : update);
  }

  updates(): readonly ControlUpdate[] {
    return [...this.#updates.values()];
  }

  snapshots(): readonly Snapshot[] {
    return this.updates().flatMap((update) => (update.kind === "snapshot" ? [update.snapshot] : []));
  }
}
