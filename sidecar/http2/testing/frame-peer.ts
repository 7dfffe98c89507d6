// A scripted peer: sends exactly the frames a test names and expects exactly the frames it names, so that a test can
// break each rule and see the code and the scope of the answer. Plays the client against our server or the server
// against our client.
//
//   const peer = await FramePeer.connect(port);
//   peer.send(headersFrame(1, getRequest, { end: true }));
//   expect(await peer.next("RST_STREAM")).toMatchObject({ id: 1, code: ErrorCode.PROTOCOL_ERROR });

import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { clientPreface, encodeFrameHeader, Flag, FrameType, loadUint24, loadUint31, loadUint32 } from "../frames.ts";
import { HeaderField, type HeaderFields } from "../header-field.ts";
import { HpackDecoder } from "../hpack/decoder.ts";
import { encodeFields, maxEncodedBytes } from "../hpack/encoder.ts";

/** The other ends, when they are in this process: for `delivered`. */
const sockets = new Set<Socket>();
for (const channel of ["net.server.socket", "net.client.socket"]) {
  subscribe(channel, (message) => {
    const { socket } = message as { socket: Socket };
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
}

export type FrameName = keyof typeof FrameType;

/** A frame as the peer saw it; what a type does not have is 0, "" or empty. */
export interface SeenFrame {
  readonly type: FrameName;
  readonly flags: number;
  readonly id: number;
  readonly end: boolean;
  readonly payload: Buffer;
  /** RST_STREAM, GOAWAY. */
  readonly code: number;
  /** WINDOW_UPDATE. */
  readonly increment: number;
  /** GOAWAY. */
  readonly lastStreamId: number;
  readonly debug: string;
  /** HEADERS, as `name: value`. */
  readonly fields: readonly string[];
}

export function frame(type: FrameName, flags: number, id: number, payload: Buffer | string = ""): Buffer {
  const body = typeof payload === "string" ? Buffer.from(payload, "hex") : payload;
  const out = Buffer.alloc(9 + body.length);
  encodeFrameHeader(out, 0, body.length, (FrameType[type] << 8) | flags, id);
  body.copy(out, 9);
  return out;
}

/** Fields from `[name, value]` pairs. */
export function fieldsOf(...pairs: [string, string][]): HeaderFields {
  return pairs.map(([name, value]) => new HeaderField(name, value));
}

export function block(fields: HeaderFields): Buffer {
  const out = Buffer.alloc(maxEncodedBytes(fields));
  return out.subarray(0, encodeFields(fields, out, 0));
}

export function headersFrame(id: number, fields: HeaderFields, options: { end?: boolean } = {}): Buffer {
  return frame("HEADERS", Flag.END_HEADERS | (options.end === true ? Flag.END_STREAM : 0), id, block(fields));
}

export function dataFrame(id: number, bytes: number | Buffer, end = false): Buffer {
  const payload = typeof bytes === "number" ? Buffer.alloc(bytes, 0x61) : bytes;
  return frame("DATA", end ? Flag.END_STREAM : 0, id, payload);
}

export function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

export function settingsFrame(entries: [number, number][] = []): Buffer {
  const payload = Buffer.alloc(entries.length * 6);
  entries.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame("SETTINGS", 0, 0, payload);
}

export const settingsAck: Buffer = frame("SETTINGS", Flag.ACK, 0);

export const getRequest: HeaderFields = fieldsOf(
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "test"],
);
export const postRequest: HeaderFields = fieldsOf(
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "test"],
);
export const ok: HeaderFields = fieldsOf([":status", "200"]);

export interface PeerOptions {
  /** The first SETTINGS' entries. */
  readonly settings?: [number, number][];
  /** Sends no preface, SETTINGS or ACK of its own. */
  readonly isSilent?: boolean;
  /** Answers PINGs by itself. */
  readonly answersPings?: boolean;
}

export class FramePeer {
  readonly socket: Socket;
  /** Every frame seen, in order, also those that `next` has taken. */
  readonly seen: SeenFrame[] = [];
  /** The connection is closed, from either side. */
  readonly closed: Promise<unknown>;
  hasEnded = false;
  readonly #decoder = new HpackDecoder({ maxHeaderListBytes: 1 << 24, maxFields: 1 << 20 });
  #input: Buffer = Buffer.alloc(0);
  #preface: number;
  #taken = 0;
  #pings = 0;
  #wake = () => {};
  readonly #isSilent: boolean;
  readonly #answersPings: boolean;

  constructor(socket: Socket, isServer: boolean, options: PeerOptions = {}) {
    this.socket = socket;
    this.#preface = isServer ? clientPreface.length : 0;
    this.#isSilent = options.isSilent === true;
    this.#answersPings = options.answersPings === true;
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("close", () => {
      this.hasEnded = true;
      this.#wake();
    });
    if (this.#isSilent) return;
    if (!isServer) socket.write(clientPreface);
    socket.write(settingsFrame(options.settings));
  }

  /** Plays a client against our server at `port`. */
  static async connect(port: number, options: PeerOptions = {}): Promise<FramePeer> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return new FramePeer(socket, false, options);
  }

  /** Plays a server: `peer` is there once our client has connected to `port`. */
  static async listen(options: PeerOptions = {}): Promise<{ port: number; peer: Promise<FramePeer>; close(): void }> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const peer = once(server, "connection").then(([socket]) => {
      socket.setNoDelay(true);
      return new FramePeer(socket, true, options);
    });
    const address = server.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    return { port, peer, close: () => server.close() };
  }

  send(...frames: Buffer[]): void {
    if (this.socket.writable) this.socket.write(Buffer.concat(frames));
  }

  /** The next frame of one of these types; others in between are passed over. Fails if the connection closes before. */
  async next(...types: FrameName[]): Promise<SeenFrame> {
    for (;;) {
      const found = this.seen.slice(this.#taken).findIndex((frame) => types.includes(frame.type));
      if (found >= 0) {
        this.#taken += found + 1;
        return this.seen[this.#taken - 1]!;
      }
      if (this.hasEnded) throw new Error(`connection closed while waiting for ${types}; saw ${this.#summary()}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Resolves when the other end, in this process, has read everything sent so far; it need not answer. */
  async delivered(): Promise<void> {
    const { localPort, remotePort } = this.socket;
    const other = [...sockets].find((one) => one.localPort === remotePort && one.remotePort === localPort);
    while (other !== undefined && !other.destroyed && other.bytesRead < this.socket.bytesWritten) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves when everything sent so far has been worked on, and what that gave to send has come. */
  async settled(): Promise<void> {
    // The answer to a PING may be ahead of DATA written in the same turn; the answer to a second one is not.
    await this.#pinged();
    await this.#pinged();
  }

  async #pinged(): Promise<void> {
    const payload = Buffer.from(String(this.#pings++).padStart(8, "0"));
    this.send(frame("PING", 0, 0, payload));
    const isAnswer = (seen: SeenFrame) => seen.type === "PING" && seen.end && seen.payload.equals(payload);
    while (!this.seen.some(isAnswer)) {
      if (this.hasEnded) throw new Error(`connection closed; saw ${this.#summary()}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Octets of DATA seen on a stream. */
  dataBytes(id: number): number {
    return this.seen.reduce(
      (sum, { type, id: on, payload }) => sum + (type === "DATA" && on === id ? payload.length : 0),
      0,
    );
  }

  /** Names of the frames seen on a stream (0: the connection), those with END_STREAM or ACK marked. */
  kinds(id: number): string[] {
    return this.seen.filter((seen) => seen.id === id).map((seen) => `${seen.type}${seen.end ? "+END" : ""}`);
  }

  close(): void {
    this.socket.destroy();
  }

  #summary(): string {
    return this.seen
      .slice(-20)
      .map((seen) => `${seen.type}(${seen.id}${seen.debug === "" ? "" : `, ${seen.debug}`})`)
      .join(" ");
  }

  #read(chunk: Buffer): void {
    this.#input = Buffer.concat([this.#input, chunk]);
    if (this.#preface > 0) {
      if (this.#input.length < this.#preface) return;
      this.#input = this.#input.subarray(this.#preface);
      this.#preface = 0;
    }
    while (this.#input.length >= 9) {
      const length = loadUint24(this.#input, 0);
      if (this.#input.length < 9 + length) break;
      this.#frame(this.#input.subarray(0, 9 + length));
      this.#input = this.#input.subarray(9 + length);
    }
    this.#wake();
  }

  #frame(bytes: Buffer): void {
    const type = (Object.keys(FrameType) as FrameName[])[bytes[3]!]!;
    const flags = bytes[4]!;
    const payload = bytes.subarray(9);
    const isGoaway = type === "GOAWAY";
    this.seen.push({
      type,
      flags,
      id: loadUint31(bytes, 5),
      end: (flags & Flag.END_STREAM) !== 0,
      payload: Buffer.from(payload),
      code: type === "RST_STREAM" ? loadUint32(payload, 0) : isGoaway ? loadUint32(payload, 4) : 0,
      increment: type === "WINDOW_UPDATE" ? loadUint31(payload, 0) : 0,
      lastStreamId: isGoaway ? loadUint31(payload, 0) : 0,
      debug: isGoaway ? payload.toString("latin1", 8) : "",
      fields:
        type === "HEADERS" && (flags & Flag.END_HEADERS) !== 0
          ? this.#decoder.decode(payload, 0, payload.length).map(({ name, value }) => `${name}: ${value}`)
          : [],
    });
    if (type === "SETTINGS" && (flags & Flag.ACK) === 0 && !this.#isSilent) this.send(settingsAck);
    if (type === "PING" && (flags & Flag.ACK) === 0 && this.#answersPings) {
      this.send(frame("PING", Flag.ACK, 0, Buffer.from(payload)));
    }
  }
}
