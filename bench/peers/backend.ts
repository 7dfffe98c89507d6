// The server behind every proxy of the benchmark: a gRPC echo at frame level that does only what it must, so that it is
// not what is measured. It answers every request with the message it got (or the stream that the message asks for) and
// grpc-status 0, and counts what it answered. It never decodes a request's header block, since every request gets the
// same treatment.
//
// A process of its own, started by bench/proxy.ts with an IPC channel: says `{port}` when it listens and answers
// `"served"` with `{served}`.

import { createServer, type Socket } from "node:net";
import { FrameConnection } from "../wire/frame-connection.ts";
import { grpcMessage, orderIn, type StreamOrder } from "../wire/message.ts";

/** A literal field without indexing, RFC 7541 section 6.2.2; texts shorter than 127 octets. */
function literal(name: string, value: string): Buffer {
  return Buffer.from([0, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)]);
}

// `:status 200` is entry 8 of HPACK's static table.
const responseBlock = Buffer.concat([Buffer.from([0x88]), literal("content-type", "application/grpc")]);
const trailerBlock = literal("grpc-status", "0");

let served = 0;

/** The answers of streams that were asked for before, all messages of each in one piece. */
const streams = new Map<string, Buffer>();

function streamOf({ messages, bytes }: StreamOrder): Buffer {
  const key = `${messages} ${bytes}`;
  let stream = streams.get(key);
  if (stream === undefined) {
    stream = Buffer.concat(Array.from({ length: messages }, () => grpcMessage(bytes)));
    streams.set(key, stream);
  }
  return stream;
}

/** One connection: gathers each stream's message, answers at its end. */
class EchoConnection {
  readonly #connection: FrameConnection;
  readonly #parts = new Map<number, Buffer[]>();

  constructor(socket: Socket) {
    const forget = (streamId: number) => {
      this.#parts.delete(streamId);
      this.#connection.forget(streamId);
    };
    this.#connection = new FrameConnection(socket, "server", {
      headers: (streamId, isEnd) => {
        if (isEnd) this.#answer(streamId, this.#parts.get(streamId) ?? []);
      },
      data: (streamId, payload, isEnd) => this.#data(streamId, payload, isEnd),
      reset: forget,
      lost: () => socket.destroy(),
    });
  }

  #data(streamId: number, payload: Buffer, isEnd: boolean): void {
    const parts = this.#parts.get(streamId);
    if (isEnd) this.#answer(streamId, parts === undefined ? [payload] : [...parts, payload]);
    else if (parts === undefined) this.#parts.set(streamId, [Buffer.from(payload)]);
    else parts.push(Buffer.from(payload));
  }

  #answer(streamId: number, parts: readonly Buffer[]): void {
    this.#parts.delete(streamId);
    served++;
    const connection = this.#connection;
    connection.sendHeaders(streamId, responseBlock, false);
    const message = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    const order = orderIn(message);
    if (order === undefined && connection.trySendData(streamId, message, false)) {
      connection.sendHeaders(streamId, trailerBlock, true);
      return;
    }
    const answer = order === undefined ? Buffer.from(message) : streamOf(order);
    connection.sendData(streamId, answer, false, () => connection.sendHeaders(streamId, trailerBlock, true));
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
