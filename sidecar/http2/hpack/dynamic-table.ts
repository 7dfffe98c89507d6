// HPACK's dynamic table on the decoding side (RFC 7541 sections 2.3.2 and 4): a ring of shared HeaderField objects,
// newest first, bounded by its size in octets. Used by decoder.ts alone; our encoder has none.

import type { HeaderField } from "../header-field.ts";

/** What an entry counts beyond its name and value (RFC 7541 section 4.1). */
export const entryOverheadBytes = 32;

export class DynamicTable {
  /** A power of two, at least as many entries as fit. */
  readonly #slots: (HeaderField | undefined)[];
  readonly #mask: number;
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes: number;

  /** `maxBytes`: the SETTINGS_HEADER_TABLE_SIZE that we announced. */
  constructor(maxBytes: number) {
    let slots = 1;
    while (slots < maxBytes / entryOverheadBytes + 1) slots *= 2;
    this.#slots = new Array<HeaderField | undefined>(slots).fill(undefined);
    this.#mask = slots - 1;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The entry at `index`, 0 for the newest; undefined beyond the end. */
  at(index: number): HeaderField | undefined {
    return index < this.#count ? this.#slots[(this.#newest - index) & this.#mask] : undefined;
  }

  /** Adds an entry, after evicting as many as it takes. One that is larger than the table leaves it empty. */
  insert(field: HeaderField): void {
    const bytes = field.octets + entryOverheadBytes;
    this.#evictTo(this.#maxBytes - bytes);
    if (bytes > this.#maxBytes) return;
    this.#newest = (this.#newest + 1) & this.#mask;
    this.#slots[this.#newest] = field;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Applies a size update, which the caller has checked against what we announced. */
  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  #evictTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const slot = (this.#newest - this.#count + 1) & this.#mask;
      const oldest = this.#slots[slot]!;
      this.#bytes -= oldest.octets + entryOverheadBytes;
      this.#slots[slot] = undefined;
      this.#count--;
    }
  }
}
