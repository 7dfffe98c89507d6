// A backend that tests play frame by frame: each connection that the proxy makes becomes a FramePeer.

import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { FramePeer, type PeerOptions } from "../http2/testing/frame-peer.ts";

export class FrameBackend {
  readonly port: number;
  /** In the order in which they were made, also those that are closed. */
  readonly connections: FramePeer[] = [];
  readonly #close: () => Promise<void>;
  #wake = () => {};

  constructor(port: number, close: () => Promise<void>) {
    this.port = port;
    this.#close = close;
  }

  /** `optionsOf` is asked for each connection, by its number from 0; `play` then plays it. */
  static async listen(
    optionsOf: (index: number) => PeerOptions = () => ({}),
    play: (peer: FramePeer, index: number) => void = () => {},
  ): Promise<FrameBackend> {
    const server = createServer((socket: Socket) => {
      socket.setNoDelay(true);
      const index = backend.connections.length;
      const peer = new FramePeer(socket, true, optionsOf(index));
      backend.connections.push(peer);
      play(peer, index);
      backend.#wake();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = address !== null && typeof address === "object" ? address.port : 0;
    const backend = new FrameBackend(port, () => new Promise((resolve) => server.close(() => resolve())));
    return backend;
  }

  /** The connection with this number, as soon as it is there. */
  async connection(index: number): Promise<FramePeer> {
    while (this.connections.length <= index) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.connections[index]!;
  }

  async close(): Promise<void> {
    for (const peer of this.connections) peer.close();
    await this.#close();
  }
}
