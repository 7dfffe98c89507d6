// SETTINGS (RFC 9113 section 6.5): what we announce, and what a peer's frame makes of its values. Not the settings of
// the process. connection.ts applies the result and acknowledges it.

import { ConnectionError, ErrorCode, StreamError } from "./error-code.ts";
import { encodeFrameHeader, encodeUint32, FrameType, frameHeaderBytes, loadUint32, maxWindow } from "./frames.ts";
import type { HeaderFields } from "./header-field.ts";

const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const;

export const entryBytes = 6;

/** The default window of the RFC: what holds until a peer knows better. */
export const defaultWindowBytes = 65_535;

/** What the peer told us. */
export interface PeerSettings {
  headerTableBytes: number;
  maxConcurrentStreams: number;
  initialWindowBytes: number;
  maxHeaderListBytes: number;
}

/** Before the first SETTINGS: the RFC's defaults, and the number of streams that other clients assume too. */
export function defaultPeerSettings(): PeerSettings {
  return {
    headerTableBytes: 4096,
    maxConcurrentStreams: 100,
    initialWindowBytes: defaultWindowBytes,
    maxHeaderListBytes: Number.POSITIVE_INFINITY,
  };
}

/** Applies a payload (a multiple of six octets) in order, the last entry winning. Unknown settings are ignored. */
export function applySettings(peer: PeerSettings, input: Buffer, start: number, end: number, fromServer: boolean) {
  for (let at = start; at < end; at += entryBytes) {
    const value = loadUint32(input, at + 2);
    switch ((input[at]! << 8) | input[at + 1]!) {
      case Setting.HEADER_TABLE_SIZE:
        peer.headerTableBytes = value;
        break;
      case Setting.ENABLE_PUSH:
        if (value > 1 || (value === 1 && fromServer)) throw invalid("ENABLE_PUSH", value);
        break;
      case Setting.MAX_CONCURRENT_STREAMS:
        peer.maxConcurrentStreams = value;
        break;
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > maxWindow) {
          throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, `settings: INITIAL_WINDOW_SIZE ${value}`);
        }
        peer.initialWindowBytes = value;
        break;
      case Setting.MAX_FRAME_SIZE:
        // We never send more than 16,384, which every peer accepts.
        if (value < 16_384 || value > 16_777_215) throw invalid("MAX_FRAME_SIZE", value);
        break;
      case Setting.MAX_HEADER_LIST_SIZE:
        peer.maxHeaderListBytes = value;
        break;
    }
  }
}

/** Throws StreamError(neverProcessed) when a request's header is larger than the peer takes (section 10.5.1). */
export function checkListSize(fields: HeaderFields, peer: PeerSettings): void {
  const limit = peer.maxHeaderListBytes;
  if (limit === Number.POSITIVE_INFINITY) return;
  let bytes = 0;
  for (let i = 0; i < fields.length; i++) bytes += fields[i]!.octets + 32;
  if (bytes <= limit) return;
  const detail = `request header of ${bytes} octets, the peer takes ${limit}`;
  throw new StreamError(ErrorCode.ENHANCE_YOUR_CALM, "us", detail, true);
}

/** What we announce; HEADER_TABLE_SIZE and MAX_FRAME_SIZE keep their defaults. */
export interface OwnSettings {
  readonly isServer: boolean;
  readonly maxConcurrentStreams: number;
  readonly initialWindowBytes: number;
  readonly maxHeaderListBytes: number;
}

/** Our SETTINGS frame. */
export function encodeSettings(own: OwnSettings): Buffer {
  const entries: [number, number][] = [
    own.isServer ? [Setting.MAX_CONCURRENT_STREAMS, own.maxConcurrentStreams] : [Setting.ENABLE_PUSH, 0],
    [Setting.INITIAL_WINDOW_SIZE, own.initialWindowBytes],
    [Setting.MAX_HEADER_LIST_SIZE, own.maxHeaderListBytes],
  ];
  const frame = Buffer.alloc(frameHeaderBytes + entries.length * entryBytes);
  let offset = encodeFrameHeader(frame, 0, entries.length * entryBytes, FrameType.SETTINGS << 8, 0);
  for (const [id, value] of entries) {
    frame[offset] = id >>> 8;
    frame[offset + 1] = id;
    offset = encodeUint32(frame, offset + 2, value);
  }
  return frame;
}

function invalid(name: string, value: number): ConnectionError {
  return new ConnectionError(ErrorCode.PROTOCOL_ERROR, `settings: ${name} ${value}`);
}
