// A connection's way out: frames are written into a slab, the slab goes to the socket once a turn or when it is full.
// Slabs come from a pool that all connections share, so an idle connection holds none.
//
// Guarantees: octets leave in the order they were reserved; a slab is used again only when the kernel has its octets;
// `isCongested` tells when DATA must wait (the socket's own queue is above its mark), so a peer that grants windows but
// does not read its socket cannot make us queue without end (CVE-2019-9517).
// Hot: `reserve` and `commit` run once per frame.

import type { Socket } from "node:net";
import type { Clock, Timer } from "../../common/clock.ts";
import type { Holding } from "./buffered-bytes.ts";
import { frameHeaderBytes, maxFrameBytes } from "./frames.ts";
import { ForcedClose } from "./limits.ts";

const slabBytes = 65_536;
/** DATA stops when more than this waits in the socket. */
const highWaterBytes = 262_144;
const maxSpareSlabs = 64;
const spareSlabs: Buffer[] = [];
const noSlab: Buffer = Buffer.alloc(0);

export interface OutputParams {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly writeStallMs: number;
  readonly maxQueuedBytes: number;
  /** Where what waits in the socket is counted. */
  readonly holding: Holding;
  /** More may be sent again: the socket took what waited. */
  onDrain(): void;
  /** The peer took nothing for `writeStallMs`, or too much waits. */
  onStuck(reason: string): void;
}

export class Output {
  /** The slab being written to and the offset of its first free octet. Valid after `reserve`. */
  slab: Buffer = noSlab;
  offset = 0;
  /** DATA must wait. */
  isCongested = false;
  /** All octets ever committed, and those of them that the socket was given. */
  committedBytes = 0;
  handedBytes = 0;
  readonly #params: OutputParams;
  readonly #socket: Socket;
  readonly #mayReuseAtOnce: boolean;
  /** For each write that was not called back yet, in order: its slab, or `noSlab` when that was free at once. */
  readonly #lent: Buffer[] = [];
  readonly #written: () => void;
  /** What waits in the socket, as last counted. */
  #waitingBytes = 0;
  #stallTimer: Timer | undefined = undefined;
  #isClosed = false;

  constructor(params: OutputParams) {
    this.#params = params;
    this.#socket = params.socket;
    this.#mayReuseAtOnce = !("encrypted" in params.socket);
    this.#written = () => {
      const slab = this.#lent.shift();
      if (slab !== undefined && slab !== noSlab) giveBack(slab);
      if (this.#waitingBytes > 0) this.#countWaiting(this.#isClosed ? 0 : params.socket.writableLength);
    };
    params.socket.on("drain", () => this.#drained());
  }

  /** Makes room for `bytes` (at most a frame) at `slab[offset]`; `commit` says how many were written. */
  reserve(bytes: number): void {
    if (this.offset + bytes > this.slab.length) {
      this.#hand();
      this.slab = spareSlabs.pop() ?? Buffer.allocUnsafeSlow(slabBytes);
    }
  }

  commit(end: number): void {
    this.committedBytes += end - this.offset;
    this.offset = end;
  }

  /** Gives the socket what has been committed. */
  flush(): void {
    this.#hand();
    if (this.slab !== noSlab) this.#release();
  }

  /** No more output: returns what it holds. */
  close(): void {
    this.#isClosed = true;
    this.#stallTimer?.cancel();
    this.#stallTimer = undefined;
    this.offset = 0;
    this.#countWaiting(0);
    if (this.slab !== noSlab) this.#release();
  }

  /** Hands over the written part; afterwards `slab` is free to be written again, or `noSlab`. */
  #hand(): void {
    const bytes = this.offset;
    if (bytes === 0) return;
    this.offset = 0;
    const slab = this.slab;
    const socket = this.#socket;
    if (this.#isClosed || !socket.writable) return;
    this.handedBytes += bytes;
    const wasIdle = socket.writableLength === 0;
    this.#lent.push(slab);
    socket.write(slab.subarray(0, bytes), this.#written);
    if (this.#mayReuseAtOnce && wasIdle && socket.writableLength === 0) {
      this.#lent[this.#lent.length - 1] = noSlab;
      return;
    }
    this.slab = noSlab;
    const waiting = socket.writableLength;
    this.#countWaiting(waiting);
    if (waiting > highWaterBytes) this.isCongested = true;
    if (waiting > this.#params.maxQueuedBytes) this.#params.onStuck(ForcedClose.OUTPUT_QUEUE);
    else if (waiting > 0 && this.#stallTimer === undefined) this.#watchStall();
  }

  #countWaiting(bytes: number): void {
    this.#params.holding.add(bytes - this.#waitingBytes);
    this.#waitingBytes = bytes;
  }

  #release(): void {
    giveBack(this.slab);
    this.slab = noSlab;
  }

  #drained(): void {
    this.#stallTimer?.cancel();
    this.#stallTimer = undefined;
    this.isCongested = false;
    this.#params.onDrain();
  }

  #watchStall(): void {
    const takenBytes = this.handedBytes - this.#socket.writableLength;
    this.#stallTimer = this.#params.clock.after(this.#params.writeStallMs, () => {
      this.#stallTimer = undefined;
      if (this.#isClosed || this.#socket.writableLength === 0) return;
      if (this.handedBytes - this.#socket.writableLength > takenBytes) this.#watchStall();
      else this.#params.onStuck(ForcedClose.WRITE_STALL);
    });
  }
}

/** The most that one `reserve` may ask for. */
export const maxReserveBytes: number = maxFrameBytes + frameHeaderBytes;

function giveBack(slab: Buffer): void {
  if (spareSlabs.length < maxSpareSlabs) spareSlabs.push(slab);
}
