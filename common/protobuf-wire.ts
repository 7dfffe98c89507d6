// The wire format of protobuf, as much as a sidecar needs for the few small messages it reads and writes by itself:
// failure details, reflection, method traits. A sidecar does not load the protobuf library for these, because that and
// the generated code cost 19 MB of resident memory and 50 ms of start-up beside every instance; programs that handle
// many messages (gateway's own answers, services, command line) use the library. Tests hold both against each other.
// (https://protobuf.dev/programming-guides/encoding/)

/** A field's value as it is on the wire: a number for varint (exact below 2^53) and fixed32, bytes for the rest. */
export type WireValue = number | Buffer;

/**
 * Calls `visit` for every field in order, repeated ones each time. Bytes are views into `message`. Throws on input that
 * is not protobuf, and on groups, which nothing of ours has.
 */
export function readFields(message: Uint8Array, visit: (fieldNumber: number, value: WireValue) => void): void {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;

  function varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw truncated(at);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error(`protobuf at byte ${at}: a varint has more than 10 bytes`);
  }

  function take(length: number): Buffer {
    if (length > bytes.length - at) throw truncated(at);
    at += length;
    return bytes.subarray(at - length, at);
  }

  while (at < bytes.length) {
    const tag = varint();
    const fieldNumber = Math.floor(tag / 8);
    if (fieldNumber === 0) throw new Error(`protobuf at byte ${at}: field number 0`);
    const wireType = tag % 8;
    if (wireType === 0) visit(fieldNumber, varint());
    else if (wireType === 1) visit(fieldNumber, take(8));
    else if (wireType === 2) visit(fieldNumber, take(varint()));
    else if (wireType === 5) visit(fieldNumber, take(4).readUInt32LE());
    else throw new Error(`protobuf at byte ${at}: wire type ${wireType} is not supported`);
  }
}

/** A varint field; nothing for 0, as proto3 writes it. `value` is a non-negative integer below 2^53. */
export function varintField(fieldNumber: number, value: number): Buffer {
  return value === 0 ? nothing : Buffer.concat([varintBytes(fieldNumber * 8), varintBytes(value)]);
}

/** A string, bytes or message field. An empty one is written too: for a message or a map's value it means something. */
export function bytesField(fieldNumber: number, value: Uint8Array | string): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
  return Buffer.concat([varintBytes(fieldNumber * 8 + 2), varintBytes(bytes.length), bytes]);
}

function varintBytes(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function truncated(at: number): Error {
  return new Error(`protobuf at byte ${at}: the message is cut off`);
}

const nothing = Buffer.alloc(0);
