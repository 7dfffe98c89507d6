// gRPC's own framing inside a body: one flag octet, four octets of length, the message. Used where the sidecar itself
// reads or writes messages (its own answers, its own small calls); proxied bodies pass through unread.
// (gRPC over HTTP/2, "Length-Prefixed-Message")

const prefixBytes = 5;

/** Why a stream of messages cannot be read on; undefined: all is well. */
export type FrameProblem = "too_large" | "bad_flag" | undefined;

/**
 * Puts chunks together into messages. Holds at most one message of `maxMessageBytes` and copies what it keeps, so a
 * chunk needs to be valid only during `push`.
 */
export class MessageSplitter {
  readonly #maxMessageBytes: number;
  readonly #onMessage: (message: Buffer, isCompressed: boolean) => void;
  readonly #prefix = Buffer.alloc(prefixBytes);
  #prefixed = 0;
  #message: Buffer | undefined;
  #filled = 0;

  /** `onMessage` is called within `push`, once for each message; the message is its to keep. */
  constructor(maxMessageBytes: number, onMessage: (message: Buffer, isCompressed: boolean) => void) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#onMessage = onMessage;
  }

  /** Nothing is half read: a body that ends here ends regularly. */
  get isAtBoundary(): boolean {
    return this.#prefixed === 0;
  }

  /** Takes the next part of the body. After a problem it must not be called again. */
  push(chunk: Buffer): FrameProblem {
    let at = 0;
    while (at < chunk.length) {
      if (this.#message === undefined) {
        const taken = chunk.copy(this.#prefix, this.#prefixed, at, at + prefixBytes - this.#prefixed);
        at += taken;
        this.#prefixed += taken;
        if (this.#prefixed < prefixBytes) return undefined;
        const length = this.#prefix.readUInt32BE(1);
        if (this.#prefix[0]! > 1) return "bad_flag";
        if (length > this.#maxMessageBytes) return "too_large";
        this.#message = Buffer.allocUnsafe(length);
        this.#filled = 0;
      }
      const taken = chunk.copy(this.#message, this.#filled, at);
      at += taken;
      this.#filled += taken;
      if (this.#filled === this.#message.length) this.#complete(this.#message);
    }
    return undefined;
  }

  #complete(message: Buffer): void {
    const isCompressed = this.#prefix[0] === 1;
    this.#message = undefined;
    this.#prefixed = 0;
    this.#onMessage(message, isCompressed);
  }
}

/** `message` with its prefix, uncompressed. */
export function prefixMessage(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(prefixBytes + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, prefixBytes);
  return framed;
}
