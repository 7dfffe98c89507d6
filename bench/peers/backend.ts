// The server behind every proxy of the benchmark: a gRPC echo at frame level that does only what it must, so that it is
// not what is measured. It answers every request with the message it got, grpc-status 0, and counts what it answered.
// It never decodes a request's header block, since every request gets the same treatment; and being no code of the
// sidecar, it cannot share a mistake with it.
//
// A process of its own, started by bench/proxy.ts with an IPC channel: says `{port}` when it listens and answers
// `"served"` with `{served}`.
//
// Hot: once per frame. One write per connection and event-loop turn, as the socket write is the dear part.

import { createServer, type Socket } from "node:net";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const frame = { data: 0, headers: 1, settings: 4, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 } as const;
const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 } as const;
const headBytes = 9;
// RFC 9113 section 6.9.2: what each side may send before it hears of WINDOW_UPDATE.
const firstWindow = 65_535;
// A window so large that a load of small messages never waits for us.
const ourWindow = 16 * 1024 * 1024;

/** A literal field without indexing, RFC 7541 section 6.2.2; texts shorter than 127 octets. */
function literal(name: string, value: string): Buffer {
  return Buffer.from([0, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)]);
}

// `:status 200` is entry 8 of HPACK's static table.
const responseBlock = Buffer.concat([Buffer.from([0x88]), literal("content-type", "application/grpc")]);
const trailerBlock = literal("grpc-status", "0");

function head(length: number, type: number, flags: number, streamId: number): Buffer {
  const bytes = Buffer.alloc(headBytes);
  bytes.writeUIntBE(length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId, 5);
  return bytes;
}

let served = 0;

/** One connection: reads frames, gathers each stream's message, answers at its end. */
class EchoConnection {
  readonly #socket: Socket;
  #unread: Buffer = Buffer.alloc(0);
  #sawPreface = false;
  #out: Buffer[] = [];
  #mayFlush = true;
  /** Octets of DATA that the peer lets us send on this connection. */
  #window = firstWindow;
  /** Octets received since we last gave credit back. */
  #owed = 0;
  readonly #messages = new Map<number, Buffer[]>();
  /** Answers that wait for the window, oldest first. */
  readonly #waiting: { streamId: number; message: Buffer }[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", () => socket.destroy());
    // INITIAL_WINDOW_SIZE (4) for streams; the connection's own window grows by WINDOW_UPDATE.
    const setting = Buffer.from([0, 4, 0, 0, 0, 0]);
    setting.writeUInt32BE(ourWindow, 2);
    this.#send(head(setting.length, frame.settings, 0, 0), setting);
    this.#grant(ourWindow - firstWindow);
  }

  #receive(chunk: Buffer): void {
    let bytes = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    if (!this.#sawPreface) {
      if (bytes.length < preface.length) {
        this.#unread = bytes;
        return;
      }
      this.#sawPreface = true;
      bytes = bytes.subarray(preface.length);
    }
    let at = 0;
    while (bytes.length - at >= headBytes) {
      const length = bytes.readUIntBE(at, 3);
      if (bytes.length - at < headBytes + length) break;
      const payload = bytes.subarray(at + headBytes, at + headBytes + length);
      this.#frame(bytes[at + 3]!, bytes[at + 4]!, bytes.readUInt32BE(at + 5) & 0x7fffffff, payload);
      at += headBytes + length;
    }
    this.#unread = Buffer.from(bytes.subarray(at));
  }

  #frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (type === frame.headers) {
      this.#messages.set(streamId, []);
      if ((flags & flag.endStream) !== 0) this.#answer(streamId);
    } else if (type === frame.data) {
      this.#owed += payload.length;
      if (this.#owed > ourWindow / 2) {
        this.#grant(this.#owed);
        this.#owed = 0;
      }
      const padding = (flags & flag.padded) === 0 ? 0 : payload[0]!;
      const message = (flags & flag.padded) === 0 ? payload : payload.subarray(1, payload.length - padding);
      this.#messages.get(streamId)?.push((flags & flag.endStream) === 0 ? Buffer.from(message) : message);
      if ((flags & flag.endStream) !== 0) this.#answer(streamId);
    } else if (type === frame.settings && (flags & flag.ack) === 0) {
      this.#send(head(0, frame.settings, flag.ack, 0));
    } else if (type === frame.ping && (flags & flag.ack) === 0) {
      this.#send(head(8, frame.ping, flag.ack, 0), Buffer.from(payload));
    } else if (type === frame.windowUpdate && streamId === 0) {
      this.#window += payload.readUInt32BE(0);
      while (this.#waiting.length > 0 && this.#waiting[0]!.message.length <= this.#window) {
        const { streamId: id, message } = this.#waiting.shift()!;
        this.#echo(id, message);
      }
    }
  }

  #answer(streamId: number): void {
    const parts = this.#messages.get(streamId);
    if (parts === undefined) return;
    this.#messages.delete(streamId);
    const message = Buffer.concat(parts);
    if (message.length > this.#window || this.#waiting.length > 0) this.#waiting.push({ streamId, message });
    else this.#echo(streamId, message);
  }

  #echo(streamId: number, message: Buffer): void {
    this.#window -= message.length;
    served++;
    this.#send(
      head(responseBlock.length, frame.headers, flag.endHeaders, streamId),
      responseBlock,
      head(message.length, frame.data, 0, streamId),
      message,
      head(trailerBlock.length, frame.headers, flag.endHeaders | flag.endStream, streamId),
      trailerBlock,
    );
  }

  #grant(bytes: number): void {
    const increment = Buffer.alloc(4);
    increment.writeUInt32BE(bytes);
    this.#send(head(4, frame.windowUpdate, 0, 0), increment);
  }

  #send(...parts: Buffer[]): void {
    this.#out.push(...parts);
    if (!this.#mayFlush) return;
    this.#mayFlush = false;
    setImmediate(() => {
      this.#mayFlush = true;
      const bytes = Buffer.concat(this.#out);
      this.#out = [];
      if (!this.#socket.destroyed) this.#socket.write(bytes);
    });
  }
}

const server = createServer((socket) => void new EchoConnection(socket));
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") process.send?.({ port: address.port });
});
process.on("message", (message) => {
  if (message === "served") process.send?.({ served });
});
// The benchmark went away: nobody waits for an answer any more.
process.on("disconnect", () => process.exit(0));
