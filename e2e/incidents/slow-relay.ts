// A network between two processes that a test holds in its hand: a TCP relay on loopback that hands bytes on at once,
// or after a delay in each direction, or not at all. While it hands nothing on, connections look open and new ones are
// accepted by the kernel and by nobody else: what is left of a host that vanished.

import { createServer, type Server, type Socket, connect as tcpConnect } from "node:net";

export class SlowRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #delayMs = 0;
  #isOpen = true;

  /** Relays to `port` of 127.0.0.1. */
  constructor(port: number) {
    this.#server = createServer((socket) => this.#relay(socket, port));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    this.#port = typeof address === "object" && address !== null ? address.port : 0;
  }

  get port(): number {
    return this.#port;
  }

  /** Of everything that comes from now on, in each direction. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** From now on nothing gets through. */
  cut(): void {
    this.#isOpen = false;
  }

  /** New connections get through again; those that were cut break, as the other host knows nothing of them. */
  mend(): void {
    this.#isOpen = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #relay(caller: Socket, port: number): void {
    this.#keep(caller);
    if (!this.#isOpen) {
      caller.resume();
      return;
    }
    const callee = tcpConnect(port, "127.0.0.1");
    this.#keep(callee);
    for (const [from, to] of [
      [caller, callee],
      [callee, caller],
    ] as const) {
      from.on("data", (chunk) => this.#pass(() => to.write(chunk)));
      from.on("end", () => this.#pass(() => to.end()));
      from.on("close", () => this.#pass(() => to.destroy()));
    }
  }

  /** Timers of equal length end in the order of their beginning, so that bytes keep theirs. */
  #pass(send: () => void): void {
    if (!this.#isOpen) return;
    if (this.#delayMs === 0) send();
    else setTimeout(send, this.#delayMs);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}
