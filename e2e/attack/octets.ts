// HTTP/2 frames and HPACK blocks as octets, also broken ones, for clients that attack. Written from RFC 9113 and RFC
// 7541 and not with the code under test: a mistake that both sides shared would be seen by nobody.

export const preface: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
  UNKNOWN: 0xfa,
} as const;

export const Flag = { END_STREAM: 1, ACK: 1, END_HEADERS: 4 } as const;

export const Code = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

const codeNames = [
  ..."NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED".split(" "),
  ..."FRAME_SIZE_ERROR REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM".split(" "),
];

export function codeName(code: number): string {
  return codeNames[code] ?? `code ${code}`;
}

/** Ids of settings (RFC 9113 section 6.5.2). */
export const Setting = { INITIAL_WINDOW_SIZE: 4 } as const;

export function frame(type: number, flags: number, id: number, payload: Buffer = nothing): Buffer {
  const out = Buffer.allocUnsafe(9 + payload.length);
  out.writeUIntBE(payload.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(id, 5);
  payload.copy(out, 9);
  return out;
}

export function uint32(value: number): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeUInt32BE(value);
  return out;
}

export function settings(...entries: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.allocUnsafe(entries.length * 6);
  entries.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(FrameType.SETTINGS, 0, 0, payload);
}

export function windowUpdate(id: number, increment: number): Buffer {
  return frame(FrameType.WINDOW_UPDATE, 0, id, uint32(increment));
}

export function rstStream(id: number, code: number): Buffer {
  return frame(FrameType.RST_STREAM, 0, id, uint32(code));
}

export function data(id: number, payload: Buffer | string, end = false): Buffer {
  return frame(FrameType.DATA, end ? Flag.END_STREAM : 0, id, Buffer.from(payload));
}

export function ping(): Buffer {
  return frame(FrameType.PING, 0, 0, Buffer.alloc(8));
}

export function headers(id: number, block: Buffer, end: boolean): Buffer {
  return frame(FrameType.HEADERS, Flag.END_HEADERS | (end ? Flag.END_STREAM : 0), id, block);
}

/** A header block of 16,384 octets and more is cut into HEADERS and CONTINUATION. */
export function longHeaders(id: number, block: Buffer, end: boolean): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < block.length || at === 0; at += 16_384) {
    const last = at + 16_384 >= block.length ? Flag.END_HEADERS : 0;
    const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
    const flags = last | (at === 0 && end ? Flag.END_STREAM : 0);
    parts.push(frame(type, flags, id, block.subarray(at, at + 16_384)));
  }
  return Buffer.concat(parts);
}

/** An HPACK integer with a prefix of `bits`, the octet's other bits being `pattern`. */
export function integer(value: number, bits: number, pattern: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.of(pattern | value);
  const octets = [pattern | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 128);
  octets.push(rest);
  return Buffer.from(octets);
}

/** A literal without indexing and without Huffman; each character is one octet, also NUL and 0x80 to 0xff. */
export function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

/** A literal that goes into the peer's dynamic table. */
export function inserted(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0x40), text(name), text(value)]);
}

/** The newest entry of the dynamic table, in one octet. */
export const newestEntry: Buffer = Buffer.of(0x80 | 62);

function text(value: string): Buffer {
  const octets = Buffer.from(value, "latin1");
  return Buffer.concat([integer(octets.length, 7, 0), octets]);
}

export type Pair = readonly [name: string, value: string];

export function block(...fields: readonly Pair[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => literal(name, value)));
}

/** The header of a gRPC call to `path`. */
export function callFields(path: string, ...more: readonly Pair[]): readonly Pair[] {
  return [
    ...([
      [":method", "POST"],
      [":scheme", "http"],
      [":path", path],
      [":authority", "attack.test"],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
    ] as const),
    ...more,
  ];
}

export function callBlock(path: string, ...more: readonly Pair[]): Buffer {
  return block(...callFields(path, ...more));
}

const statusOfIndex: Readonly<Record<number, string>> = {
  8: "200",
  9: "204",
  11: "304",
  12: "400",
  13: "404",
  14: "500",
};

/**
 * `:status` and `grpc-status` of a response's header block. Reads what Ferry writes: literals without Huffman and
 * without indexing, and references to the static table.
 */
export function readResponse(block: Buffer): { status: string; grpcStatus: string } {
  const found = { status: "", grpcStatus: "" };
  let at = 0;
  const readInteger = (bits: number): number => {
    const most = 2 ** bits - 1;
    let value = block[at++]! & most;
    if (value < most) return value;
    for (let shift = 0; ; shift += 7) {
      const octet = block[at++]!;
      value += (octet & 127) * 2 ** shift;
      if (octet < 128) return value;
    }
  };
  const readText = () => {
    const length = readInteger(7);
    at += length;
    return block.toString("latin1", at - length, at);
  };
  while (at < block.length) {
    const first = block[at]!;
    if (first >= 0x80) {
      found.status = statusOfIndex[readInteger(7)] ?? found.status;
    } else if (first >= 0x20 && first < 0x40) {
      readInteger(5);
    } else {
      const index = readInteger(first >= 0x40 ? 6 : 4);
      const name = index === 0 ? readText() : index >= 8 && index <= 14 ? ":status" : "";
      const value = readText();
      if (name === ":status") found.status = value;
      if (name === "grpc-status") found.grpcStatus = value;
    }
  }
  return found;
}

const nothing: Buffer = Buffer.alloc(0);
