// How many connections each client address has at a listener, so that one cannot take all. Pure; listen.ts brings the
// addresses. An IPv6 client is its /64: whoever has one address of it usually has all.

export class ClientAddresses {
  readonly #max: number;
  readonly #counts = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Counts one more; false, and not counted, when the address has `max` already. */
  enter(address: string): boolean {
    const key = addressKey(address);
    const count = this.#counts.get(key) ?? 0;
    if (count >= this.#max) return false;
    this.#counts.set(key, count + 1);
    return true;
  }

  /** One of those that entered is gone. */
  leave(address: string): void {
    const key = addressKey(address);
    const count = (this.#counts.get(key) ?? 0) - 1;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }

  /** Addresses with a connection. */
  get size(): number {
    return this.#counts.size;
  }
}

/** An IPv4 address, however it is written, or the first 64 bits of an IPv6 one. */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("%", 1)[0]!.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...new Array<string>(Math.max(0, zeros)).fill("0"), ...after];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
