// A client that sends octets as they are and notes how the proxy answers: the codes of RST_STREAM and GOAWAY, the
// statuses, and when the connection ended. Each comes from an address of loopback that its class chose, so that limits
// by address meet the attacker and not the victim.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { codeName, Flag, FrameType, frame, preface, readResponse, settings } from "./octets.ts";

export interface RawOptions {
  /** An address of 127.0.0.0/8. */
  readonly from?: string;
  /** The first SETTINGS' entries. */
  readonly settings?: readonly (readonly [id: number, value: number])[];
  /** Sends neither preface nor SETTINGS, nor ACKs. */
  readonly isSilent?: boolean;
}

export interface Goaway {
  readonly code: number;
  readonly debug: string;
  readonly atMs: number;
}

export class RawClient {
  readonly socket: Socket;
  readonly connectedMs: number = performance.now();
  /** The first GOAWAY that was not NO_ERROR; or else the last. */
  goaway: Goaway | undefined = undefined;
  /** Undefined while the connection is up. */
  closedMs: number | undefined = undefined;
  /** How often each code came in RST_STREAM. */
  readonly resets: Map<number, number> = new Map();
  readonly resetById: Map<number, number> = new Map();
  /** By stream: `200`, or `200/8` with a grpc-status. The last header block counts. */
  readonly statuses: Map<number, string> = new Map();
  readonly ended: Set<number> = new Set();
  pings = 0;
  dataFrames = 0;
  dataBytes = 0;
  readonly closed: Promise<void>;
  #input: Buffer = Buffer.alloc(0);
  readonly #isSilent: boolean;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket, options: RawOptions) {
    this.socket = socket;
    this.#isSilent = options.isSilent === true;
    this.closed = new Promise((resolve) =>
      socket.once("close", () => {
        this.closedMs ??= performance.now();
        this.#wake();
        resolve();
      }),
    );
    socket.on("error", () => {});
    socket.on("end", () => {
      this.closedMs ??= performance.now();
      this.#wake();
    });
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    if (!this.#isSilent) this.send(preface, settings(...(options.settings ?? [])));
  }

  /** Resolves when it is connected; rejects when it is refused. */
  static async open(port: number, options: RawOptions = {}): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1", localAddress: options.from ?? "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return new RawClient(socket, options);
  }

  get isOver(): boolean {
    return this.closedMs !== undefined;
  }

  send(...octets: readonly Buffer[]): void {
    if (this.socket.writable && !this.socket.destroyed) this.socket.write(Buffer.concat(octets));
  }

  /** Sends, and waits until the kernel has taken it or the connection is over; false when it takes longer. */
  async push(octets: Buffer, withinMs = 1000): Promise<boolean> {
    if (this.isOver || !this.socket.writable) return false;
    if (this.socket.write(octets)) return true;
    return this.until(() => this.socket.writableLength === 0, withinMs);
  }

  /** Until `done`, or the connection is over, or `withinMs` passed. Gives what `done` says then. */
  async until(done: () => boolean, withinMs: number): Promise<boolean> {
    const untilMs = performance.now() + withinMs;
    while (!done() && !this.isOver) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(finish, Math.min(leftMs, 50));
        const waiting = this.#waiting;
        function finish() {
          clearTimeout(timer);
          waiting.delete(finish);
          resolve();
        }
        waiting.add(finish);
      });
    }
    return done();
  }

  /** Everything sent so far was read by the proxy; false when the connection ended first. */
  async settled(withinMs = 5000): Promise<boolean> {
    const before = this.pings;
    this.send(frame(FrameType.PING, 0, 0, Buffer.alloc(8, before)));
    return this.until(() => this.pings > before, withinMs);
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** What came, for a message. */
  describe(): string {
    const parts: string[] = [];
    if (this.goaway !== undefined) parts.push(`GOAWAY ${codeName(this.goaway.code)} "${this.goaway.debug}"`);
    for (const [code, count] of this.resets) parts.push(`${count} RST_STREAM ${codeName(code)}`);
    const statuses = new Map<string, number>();
    for (const status of this.statuses.values()) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    for (const [status, count] of statuses) parts.push(`${count} status ${status}`);
    parts.push(this.isOver ? "closed" : "still open");
    return parts.join(", ");
  }

  #wake(): void {
    for (const finish of [...this.#waiting]) finish();
  }

  #read(chunk: Buffer): void {
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    let at = 0;
    while (this.#input.length - at >= 9) {
      const length = this.#input.readUIntBE(at, 3);
      if (this.#input.length - at < 9 + length) break;
      this.#frame(this.#input.subarray(at, at + 9 + length));
      at += 9 + length;
    }
    this.#input = Buffer.from(this.#input.subarray(at));
    this.#wake();
  }

  #frame(octets: Buffer): void {
    const type = octets[3]!;
    const flags = octets[4]!;
    const id = octets.readUInt32BE(5) & 0x7fffffff;
    const payload = octets.subarray(9);
    if ((type === FrameType.HEADERS || type === FrameType.DATA) && (flags & Flag.END_STREAM) !== 0) this.ended.add(id);
    switch (type) {
      case FrameType.DATA:
        this.dataFrames++;
        this.dataBytes += payload.length;
        break;
      case FrameType.HEADERS: {
        const { status, grpcStatus } = readResponse(payload);
        const known = status === "" ? (this.statuses.get(id) ?? "") : status;
        this.statuses.set(id, grpcStatus === "" ? known : `${known}/${grpcStatus}`);
        break;
      }
      case FrameType.RST_STREAM: {
        const code = payload.readUInt32BE(0);
        this.resets.set(code, (this.resets.get(code) ?? 0) + 1);
        this.resetById.set(id, code);
        break;
      }
      case FrameType.SETTINGS:
        if ((flags & Flag.ACK) === 0 && !this.#isSilent) this.send(frame(FrameType.SETTINGS, Flag.ACK, 0));
        break;
      case FrameType.PING:
        if ((flags & Flag.ACK) !== 0) this.pings++;
        break;
      case FrameType.GOAWAY:
        if (this.goaway === undefined || this.goaway.code === 0) {
          const debug = payload.toString("latin1", 8);
          this.goaway = { code: payload.readUInt32BE(4), debug, atMs: performance.now() };
        }
        break;
    }
  }
}
