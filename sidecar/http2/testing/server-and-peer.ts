// A listener of ours and one scripted client on it, both gone when the test has finished: for tests of limits and of
// fair play.

import { onTestFinished } from "vitest";
import type { ListenOptions } from "../../transport/listen.ts";
import { ErrorCode } from "../error-code.ts";
import type { Limits } from "../limits.ts";
import { FramePeer, frame, type PeerOptions, uint32 } from "./frame-peer.ts";
import { scriptedServer } from "./scripted-server.ts";

export async function serverAndPeer(
  limits: Partial<Limits> = {},
  options: Partial<ListenOptions> & { peer?: PeerOptions } = {},
) {
  const server = await scriptedServer(undefined, { limits, ...options });
  const peer = await FramePeer.connect(server.port, options.peer);
  onTestFinished(async () => {
    peer.close();
    await server.listening.drain(0);
  });
  return { server, peer };
}

/** RST_STREAM with CANCEL. */
export function cancel(id: number): Buffer {
  return frame("RST_STREAM", 0, id, uint32(ErrorCode.CANCEL));
}
