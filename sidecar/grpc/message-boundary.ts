// Whether a body that passes by stands between two gRPC messages or inside one. Reads the five octets before each
// message and skips the rest; keeps no payload. Used by rescue.ts, which may end a reply with trailers only between
// messages. (gRPC over HTTP/2, "Length-Prefixed-Message")
//
// Hot: runs per chunk of every reply; a chunk that is one whole message costs a few additions.

const prefixBytes = 5;

export class MessageBoundary {
  /** Octets of the next message's prefix that have passed. */
  #prefixed = 0;
  #length = 0;
  /** Octets of the message that are still to pass. */
  #left = 0;

  /** Something of a message has passed and something is to come. */
  get isInside(): boolean {
    return this.#left > 0 || this.#prefixed > 0;
  }

  pass(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        at += taken;
        continue;
      }
      // Above 2^31 a product stays a number where a shift would turn negative.
      if (this.#prefixed > 0) this.#length = this.#length * 256 + chunk[at]!;
      at++;
      if (++this.#prefixed < prefixBytes) continue;
      this.#left = this.#length;
      this.#prefixed = 0;
      this.#length = 0;
    }
  }
}
