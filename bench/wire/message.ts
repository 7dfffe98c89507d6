// The benchmark's messages: five octets of gRPC prefix, then a payload. A payload that begins with `STRM` asks the
// backend for a stream of answers instead of an echo, so that the backend need not read a header. Shared by load
// generator and backend.

const prefixBytes = 5;
const order = Buffer.from("STRM");

export interface StreamOrder {
  readonly messages: number;
  /** Of each message, prefix included. */
  readonly bytes: number;
}

/** A gRPC message of `bytes` in all: not compressed, length, payload. */
export function grpcMessage(bytes: number): Buffer {
  const message = Buffer.alloc(bytes, "f");
  message[0] = 0;
  message.writeUInt32BE(bytes - prefixBytes, 1);
  return message;
}

/** A request of `bytes` in all that asks for a stream. */
export function orderMessage(bytes: number, { messages, bytes: each }: StreamOrder): Buffer {
  const message = grpcMessage(bytes);
  order.copy(message, prefixBytes);
  message.writeUInt32BE(messages, prefixBytes + 4);
  message.writeUInt32BE(each, prefixBytes + 8);
  return message;
}

/** What `message` asks for; undefined: an echo. */
export function orderIn(message: Buffer): StreamOrder | undefined {
  if (message.length < prefixBytes + 12 || message.compare(order, 0, 4, prefixBytes, prefixBytes + 4) !== 0) {
    return undefined;
  }
  return { messages: message.readUInt32BE(prefixBytes + 4), bytes: message.readUInt32BE(prefixBytes + 8) };
}
