// What we let the peer send: the connection's window, the windows that new streams begin with, and the announcing of
// credit, with growth where it is the window that limits. One per connection; the arithmetic is in flow-control.ts and
// window-growth.ts.

import type { Holding } from "./buffered-bytes.ts";
import type { ConnectionParams } from "./connection-params.ts";
import { ConnectionError, ErrorCode } from "./error-code.ts";
import { ReceiveWindow } from "./flow-control.ts";
import type { Limits } from "./limits.ts";
import type { Sender } from "./sender.ts";
import { defaultWindowBytes } from "./settings.ts";
import type { StreamTable } from "./stream-table.ts";
import { WindowGrowth } from "./window-growth.ts";

export class Credit {
  /** A new stream's window; never below the default before our SETTINGS are acknowledged (RFC 9113 section 6.9.2). */
  initialBytes: number;
  readonly #announcedBytes: number;
  readonly #connection = new ReceiveWindow(defaultWindowBytes);
  readonly #sender: Sender;
  readonly #limits: Limits;
  readonly #growth: WindowGrowth;

  /** Made when our SETTINGS were written; announces what the connection's window has beyond the default. */
  constructor({ windows, clock, limits }: ConnectionParams, sender: Sender, holding: Holding) {
    this.#announcedBytes = windows.streamBytes;
    this.initialBytes = Math.max(windows.streamBytes, defaultWindowBytes);
    this.#sender = sender;
    this.#limits = limits;
    this.#growth = new WindowGrowth(clock, holding);
    if (windows.connectionBytes <= defaultWindowBytes) return;
    sender.windowUpdate(0, windows.connectionBytes - defaultWindowBytes);
    this.#connection.resize(windows.connectionBytes);
  }

  /**
   * DATA came. What a stream holds is bounded by its own window, so the connection's credit goes back at once. Throws
   * ConnectionError when the peer had no credit.
   */
  dataCame(id: number, flowBytes: number): void {
    if (!this.#connection.receive(flowBytes)) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, `stream ${id}: DATA beyond the connection's window`);
    }
    const increment = this.#connection.release(flowBytes);
    if (increment > 0) this.announce(0, this.#connection, increment);
  }

  /** WINDOW_UPDATE of `increment`, or more if the window may grow. */
  announce(id: number, window: ReceiveWindow, increment: number): void {
    const { maxStreamWindowBytes, maxConnectionWindowBytes } = this.#limits;
    const extra = this.#growth.extra(window, id === 0 ? maxConnectionWindowBytes : maxStreamWindowBytes);
    this.#sender.windowUpdate(id, increment + extra);
  }

  /** The peer acknowledged our SETTINGS: from here on it keeps to the window that they announce. */
  acknowledged(streams: StreamTable): void {
    this.#growth.acknowledged();
    if (this.#announcedBytes === this.initialBytes) return;
    this.initialBytes = this.#announcedBytes;
    for (const stream of streams.list()) stream.receiveWindow.resize(this.initialBytes);
  }
}
