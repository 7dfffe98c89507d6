// Sends frames at a rate until so many were sent or the connection is over, as fast as the socket takes them.

import type { RawClient } from "../raw-client.ts";

export interface FloodParams {
  readonly framesPerSecond: number;
  readonly maxFrames: number;
  /** The frames of round `i`. */
  readonly frames: (i: number) => readonly Buffer[];
}

/** Gives the number of rounds that were sent. Ends early when the proxy takes nothing more for a second. */
export async function flood(client: RawClient, { framesPerSecond, maxFrames, frames }: FloodParams): Promise<number> {
  const beganMs = performance.now();
  const perRound = frames(0).length;
  const rounds = Math.floor(maxFrames / perRound);
  let sent = 0;
  while (sent < rounds && !client.isOver && client.goaway === undefined) {
    const due = Math.min(rounds, Math.ceil(((performance.now() - beganMs + 5) / 1000) * (framesPerSecond / perRound)));
    const batch: Buffer[] = [];
    for (; sent < due && batch.length < 500; sent++) batch.push(...frames(sent));
    if (batch.length > 0 && !(await client.push(Buffer.concat(batch)))) break;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return sent;
}

/**
 * The same from a client that does not read for its first 10,000 frames, so that what is answered must wait. Then it
 * reads: a client that never does would lose GOAWAY to the reset of its own writes.
 */
export async function floodUnread(client: RawClient, params: FloodParams): Promise<void> {
  client.socket.pause();
  const unread = await flood(client, { ...params, maxFrames: Math.min(params.maxFrames, unreadFrames) });
  client.socket.resume();
  await client.until(() => client.goaway !== undefined, 300);
  const maxFrames = params.maxFrames - unreadFrames;
  if (maxFrames > 0) await flood(client, { ...params, maxFrames, frames: (i) => params.frames(unread + i) });
}

// Half a second: the proxy reads on for a second after its last word, and only then resets the connection.
const unreadFrames = 10_000;
