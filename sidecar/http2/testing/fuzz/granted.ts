// The most that a conversation's octets allow the other side to send, by stream: whatever became of them, more DATA
// than that breaks a window. Pure.

import { FrameType, loadUint31 } from "../../frames.ts";
import { framesOf } from "./recording.ts";

const initialWindowSize = 4;

/** Octets of DATA that may be sent on stream `id`; on 0 by the whole connection. */
export function grantedBytes(octets: Buffer): (id: number) => number {
  const updates = new Map<number, number>();
  let largestInitial = 65_535;
  for (const frame of framesOf(octets)) {
    if (frame.length < 13) continue;
    const id = loadUint31(frame, 5);
    if (frame[3] === FrameType.WINDOW_UPDATE) updates.set(id, (updates.get(id) ?? 0) + loadUint31(frame, 9));
    if (frame[3] !== FrameType.SETTINGS) continue;
    for (let at = 9; at + 6 <= frame.length; at += 6) {
      if (frame.readUInt16BE(at) === initialWindowSize) {
        largestInitial = Math.max(largestInitial, frame.readUInt32BE(at + 2));
      }
    }
  }
  return (id) => (id === 0 ? 65_535 : largestInitial) + (updates.get(id) ?? 0);
}
