// The arithmetic of flow control (RFC 9113 sections 5.2 and 6.9). Pure: says how much may be sent, whether a window
// overflows, and when credit is worth a WINDOW_UPDATE. Windows may be negative after a change of settings.

import { maxWindow } from "./frames.ts";

/** Whether adding `increment` would lift a window above 2^31-1. */
export function overflows(window: number, increment: number): boolean {
  return window + increment > maxWindow;
}

/** How many of `queued` octets may go in one frame now; 0 or less means none. */
export function sendable(queued: number, streamWindow: number, connectionWindow: number, maxFrame: number): number {
  let bytes = Math.min(queued, maxFrame);
  if (streamWindow < bytes) bytes = streamWindow;
  return Math.min(connectionWindow, bytes);
}

/**
 * What we let a peer send, on a stream or on the connection:
 *
 *   |<---------------------- size ---------------------->|
 *   |<-- available -->|<-- held by us -->|<-- returned -->|
 *
 * `available` is the window the peer believes in; `returned` is no longer held but not yet announced. The three always
 * add up to `size`: nothing is returned twice, nothing is lost.
 */
export class ReceiveWindow {
  size: number;
  available: number;
  returned = 0;
  /** When credit was last announced; window-growth.ts keeps it here. */
  announcedAtMs = Number.NEGATIVE_INFINITY;

  constructor(size: number) {
    this.size = size;
    this.available = size;
  }

  /** Octets arrived. False: the peer sent more than it may. */
  receive(bytes: number): boolean {
    this.available -= bytes;
    return this.available >= 0;
  }

  /** Octets were got rid of. The increment to announce now, or 0 while less than half the window is to be announced. */
  release(bytes: number): number {
    this.returned += bytes;
    if (this.returned < this.size >> 1 || this.returned === 0) return 0;
    const increment = this.returned;
    this.returned = 0;
    this.available += increment;
    return increment;
  }

  /** By a setting of ours that the peer has acknowledged (`available` may become negative), or by growth. */
  resize(size: number): void {
    this.available += size - this.size;
    this.size = size;
  }
}
