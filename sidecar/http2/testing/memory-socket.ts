// A socket without a network: what a connection writes is given to a function, and what it is to read is pushed. For
// tests that play millions of frames, or that cut octets at will.

import type { Socket } from "node:net";
import { Duplex } from "node:stream";

export interface MemorySocket {
  readonly socket: Socket;
  /** What the connection is to read. */
  push(octets: Buffer): void;
  /** The other end closes. */
  close(): void;
}

/** `onWrite` is given a copy of everything that is written. */
export function memorySocket(onWrite: (octets: Buffer) => void): MemorySocket {
  const duplex = new Duplex({
    allowHalfOpen: true,
    read() {},
    write(chunk: Buffer, _encoding, done) {
      onWrite(Buffer.from(chunk));
      done();
    },
  });
  Object.assign(duplex, { connecting: false });
  return {
    socket: duplex as unknown as Socket,
    push: (octets) => void (duplex.destroyed || duplex.push(octets)),
    close: () => void duplex.destroy(),
  };
}
