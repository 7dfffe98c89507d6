// The frame types of RFC 9113 section 6: their numbers and flags, and what writes (`encode…`) and reads (`load…`) their
// payloads. No state. frame-reader.ts finds the frames in the bytes; sender.ts and connection.ts write them.
//
//   +-----------------------------------------------+
//   |                 length (24)                   |      a frame's header: 9 octets
//   +---------------+---------------+---------------+
//   |   type (8)    |   flags (8)   |
//   +-+-------------+---------------+-------------------------------+
//   |R|                 stream identifier (31)                      |
//   +-+-------------------------------------------------------------+

import type { ErrorCode } from "./error-code.ts";
import { readLatin1 } from "./latin1.ts";

export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

export const Flag = {
  END_STREAM: 0x1,
  /** On SETTINGS and PING. */
  ACK: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

export const frameHeaderBytes = 9;
/** SETTINGS_MAX_FRAME_SIZE's default and least value. We announce it and never send more: no frame needs splitting. */
export const maxFrameBytes = 16_384;
export const maxWindow = 2 ** 31 - 1;
export const maxStreamId = 2 ** 31 - 1;

/** What a client sends first (RFC 9113 section 3.4). */
export const clientPreface: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Writes a frame header of these fields at `offset`; returns the offset behind it. */
export function encodeFrameHeader(out: Buffer, offset: number, length: number, typeFlags: number, id: number): number {
  out[offset] = length >>> 16;
  out[offset + 1] = length >>> 8;
  out[offset + 2] = length;
  out[offset + 3] = typeFlags >>> 8;
  out[offset + 4] = typeFlags;
  out[offset + 5] = id >>> 24;
  out[offset + 6] = id >>> 16;
  out[offset + 7] = id >>> 8;
  out[offset + 8] = id;
  return offset + frameHeaderBytes;
}

/** A frame's type and flags in one number, as `encodeFrameHeader` takes them. */
export function typeFlags(type: number, flags: number): number {
  return (type << 8) | flags;
}

export function encodeUint32(out: Buffer, offset: number, value: number): number {
  out[offset] = value >>> 24;
  out[offset + 1] = value >>> 16;
  out[offset + 2] = value >>> 8;
  out[offset + 3] = value;
  return offset + 4;
}

/** Reads 31 bits and ignores the reserved one: a stream identifier or a window increment. */
export function loadUint31(input: Buffer, offset: number): number {
  return ((input[offset]! & 0x7f) << 24) | (input[offset + 1]! << 16) | (input[offset + 2]! << 8) | input[offset + 3]!;
}

export function loadUint32(input: Buffer, offset: number): number {
  return input[offset]! * 0x1000000 + loadUint24(input, offset + 1);
}

export function loadUint24(input: Buffer, offset: number): number {
  return (input[offset]! << 16) | (input[offset + 1]! << 8) | input[offset + 2]!;
}

export const rstStreamBytes = frameHeaderBytes + 4;
export const windowUpdateBytes = frameHeaderBytes + 4;
export const pingBytes = frameHeaderBytes + 8;

export function encodeRstStream(out: Buffer, offset: number, id: number, code: ErrorCode): number {
  return encodeUint32(out, encodeFrameHeader(out, offset, 4, FrameType.RST_STREAM << 8, id), code);
}

export function encodeWindowUpdate(out: Buffer, offset: number, id: number, increment: number): number {
  return encodeUint32(out, encodeFrameHeader(out, offset, 4, FrameType.WINDOW_UPDATE << 8, id), increment);
}

/** SETTINGS with ACK. */
export const settingsAckFrame: Buffer = Buffer.of(0, 0, 0, FrameType.SETTINGS, Flag.ACK, 0, 0, 0, 0);

/** A whole PING frame around 8 octets at `from` of `payload`. */
export function encodePing(out: Buffer, offset: number, ack: boolean, payload: Buffer, from: number): number {
  offset = encodeFrameHeader(out, offset, 8, typeFlags(FrameType.PING, ack ? Flag.ACK : 0), 0);
  for (let i = 0; i < 8; i++) out[offset++] = payload[from + i]!;
  return offset;
}

/** A whole GOAWAY frame. `debug` is cut at 256 characters. */
export function encodeGoaway(lastStreamId: number, code: ErrorCode, debug: string): Buffer {
  const text = Buffer.from(debug.slice(0, 256), "latin1");
  const frame = Buffer.alloc(frameHeaderBytes + 8 + text.length);
  let offset = encodeFrameHeader(frame, 0, 8 + text.length, FrameType.GOAWAY << 8, 0);
  offset = encodeUint32(frame, offset, lastStreamId);
  offset = encodeUint32(frame, offset, code);
  text.copy(frame, offset);
  return frame;
}

export interface Goaway {
  readonly lastStreamId: number;
  readonly code: ErrorCode;
  readonly debug: string;
}

/** Reads a GOAWAY payload of at least 8 octets. */
export function loadGoaway(input: Buffer, start: number, end: number): Goaway {
  return {
    lastStreamId: loadUint31(input, start),
    code: loadUint32(input, start + 4),
    debug: readLatin1(input, start + 8, Math.min(end, start + 264)),
  };
}
