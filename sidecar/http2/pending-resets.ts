// Streams that we reset before their response was complete, and of which the server may not know yet: until it has
// answered a PING that went out behind the RST_STREAM, or a request that did, they count against its
// MAX_CONCURRENT_STREAMS. So a client of ours that opens and cancels cannot have more work under way at a server than
// that allows (CVE-2023-44487).
//
// One PING at a time, and no further one before the server has sent HEADERS or DATA again: servers count PINGs and take
// the count back when they send (gRFC A8). Resets in between are not counted. Pure.

export const resetPing: Buffer = Buffer.from("ferry-rs", "latin1");

export class PendingResets {
  count = 0;
  #mayPing = true;
  #nextId = 0;

  /** A stream was reset; `nextId` is the next that will be opened. True: send the PING now. */
  add(nextId: number): boolean {
    if (!this.#mayPing) return false;
    this.#nextId = nextId;
    this.count++;
    return this.count === 1;
  }

  /** The PING was answered. */
  confirm(): void {
    if (this.count === 0) return;
    this.count = 0;
    this.#mayPing = false;
  }

  /** HEADERS or DATA came on stream `id`. */
  heard(id: number): void {
    this.#mayPing = true;
    if (this.count > 0 && id >= this.#nextId) this.count = 0;
  }
}
