// A socket without a system under it: what the test gives is read, what is written is checked and thrown away.
// Thousands of connections a second, and the same every time.

import type { Socket } from "node:net";
import { Duplex } from "node:stream";

export interface MemorySocket {
  readonly socket: Socket;
  /** Told of everything that is written. */
  give(octets: Buffer): void;
  /** The peer closes its side. */
  end(): void;
  readonly isOver: boolean;
}

export function memorySocket(written: (octets: Buffer) => void): MemorySocket {
  const duplex = new Duplex({
    allowHalfOpen: true,
    autoDestroy: true,
    readableHighWaterMark: 1 << 24,
    read() {},
    write(chunk: Buffer, _encoding, done) {
      written(chunk);
      done();
    },
    final: (done) => done(),
  });
  const socket = Object.assign(duplex, { connecting: false, setNoDelay() {}, setKeepAlive() {} });
  return {
    socket: socket as unknown as Socket,
    give: (octets) => void (duplex.destroyed || duplex.readableEnded || duplex.push(octets)),
    end: () => void (duplex.destroyed || duplex.push(null)),
    get isOver() {
      return duplex.destroyed;
    },
  };
}
