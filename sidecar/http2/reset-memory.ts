// The streams that we have reset lately: what was under way to them when they were reset is no broken rule (RFC 9113
// section 5.1). Bounded; after it has forgotten some, nobody can tell their late frames from wrong ones.

const remembered = 1024;

export class ResetMemory {
  /** Some that were reset are no longer known. */
  hasForgotten = false;
  readonly #ids = new Set<number>();

  add(id: number): void {
    if (this.#ids.size === remembered) {
      const [oldest] = this.#ids;
      this.#ids.delete(oldest!);
      this.hasForgotten = true;
    }
    this.#ids.add(id);
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}
