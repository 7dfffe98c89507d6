// A backend's side of a FramePeer: requests as they are complete, and the answers that tests send most.

import { dataFrame, type FramePeer, fieldsOf, headersFrame, type SeenFrame } from "../http2/testing/frame-peer.ts";
import { grpcMessage, grpcOk } from "./proxy-rig.ts";

export interface CompleteRequest {
  readonly id: number;
  readonly path: string;
  /** As `name: value`. */
  readonly fields: readonly string[];
  readonly body: Buffer;
}

/** Tells of each request that has come to its end, until the connection is closed. */
export async function onEachRequest(peer: FramePeer, take: (request: CompleteRequest) => void): Promise<void> {
  const open = new Map<number, SeenFrame[]>();
  while (!peer.hasEnded) {
    const frame = await peer.next("HEADERS", "DATA", "RST_STREAM").catch(() => undefined);
    if (frame === undefined) return;
    if (frame.type === "RST_STREAM") {
      open.delete(frame.id);
      continue;
    }
    const frames = [...(open.get(frame.id) ?? []), frame];
    open.set(frame.id, frames);
    if (!frame.end) continue;
    open.delete(frame.id);
    const fields = frames[0]!.fields;
    const path = fields.find((field) => field.startsWith(":path: "))?.slice(7) ?? "";
    const body = Buffer.concat(frames.filter(({ type }) => type === "DATA").map(({ payload }) => payload));
    take({ id: frame.id, path, fields, body });
  }
}

/** A whole reply with one message and status 0. */
export function grpcReply(id: number, messageBytes = 4): readonly Buffer[] {
  const trailers = fieldsOf(["grpc-status", "0"]);
  return [
    headersFrame(id, grpcOk),
    dataFrame(id, grpcMessage(messageBytes)),
    headersFrame(id, trailers, { end: true }),
  ];
}
