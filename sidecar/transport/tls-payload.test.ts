// Octets that wait for a TLS socket stay what they were: a slab that was used again too early would show here.

import { createCipheriv, createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { expect, test, vi } from "vitest";
import { systemClock } from "../../common/clock.ts";
import type { BodySink, BodySource } from "../http2/body.ts";
import { HeaderField } from "../http2/header-field.ts";
import { fieldsOf } from "../http2/testing/frame-peer.ts";
import { authority, listenTls } from "./testing/tls-fixture.ts";
import { tlsDialer } from "./tls-dial.ts";
import { ChangingMaterial, type DialMaterial } from "./tls-material.ts";

const totalBytes = 50_000_000;
const windows = { streamBytes: 16 << 20, connectionBytes: 16 << 20 };

/** Pseudo-random octets, the same each run, up to `aheadBytes` of them under way. */
class RandomBody implements BodySource {
  readonly hash = createHash("sha256");
  readonly #stream = createCipheriv("aes-128-ctr", Buffer.alloc(16, 7), Buffer.alloc(16));
  #sink: BodySink | undefined = undefined;
  #leftBytes = totalBytes;
  #aheadBytes = 8 << 20;
  #isPushing = false;

  attach(sink: BodySink): void {
    this.#sink = sink;
    this.#push();
  }

  grant(bytes: number): void {
    this.#aheadBytes += bytes;
    this.#push();
  }

  cancel(): void {}

  #push(): void {
    if (this.#isPushing) return;
    this.#isPushing = true;
    // Chunks of an odd size, so that frames and slabs never fall together.
    for (let bytes = 0; this.#aheadBytes > 0 && this.#leftBytes > 0; this.#aheadBytes -= bytes) {
      bytes = Math.min(this.#leftBytes, 50_021);
      const chunk = this.#stream.update(Buffer.alloc(bytes));
      this.hash.update(chunk);
      this.#leftBytes -= bytes;
      this.#sink?.data(chunk, this.#leftBytes === 0);
      // The chunk was ours only: whoever kept it without a copy keeps this.
      chunk.fill(0xee);
    }
    this.#isPushing = false;
  }
}

/** Passes octets on, a little each few turns and back more slowly than forth, so that both senders' sockets fill. */
async function slowWire(port: number) {
  const pass = (from: Socket, to: Socket, everyTurns: number) => {
    from.on("error", () => to.destroy());
    from.on("end", () => to.end());
    from.on("data", (chunk: Buffer) => {
      to.write(chunk);
      from.pause();
      let turns = everyTurns;
      const wait = () => (turns-- > 0 ? setImmediate(wait) : from.resume());
      wait();
    });
  };
  const server = createServer((socket) => {
    const onward = connect({ port, host: "127.0.0.1" });
    pass(socket, onward, 2);
    pass(onward, socket, 8);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { port: address !== null && typeof address === "object" ? address.port : 0, close: () => server.close() };
}

// Nearly a second: 50 MB are encrypted and decrypted in both directions on one thread.
test("50 MB come back whole through TLS both ways while both sockets are full", { timeout: 60_000 }, async () => {
  const full = { server: 0, client: 0 };
  const write = Socket.prototype.write;
  const spy = vi.spyOn(Socket.prototype, "write").mockImplementation(function (this: Socket, ...args: unknown[]) {
    const isTaken = (write as (...args: unknown[]) => boolean).apply(this, args);
    if (!isTaken && this instanceof TLSSocket) full[this.localPort === listening.port ? "server" : "client"]++;
    return isTaken;
  });
  const { listening, closes } = await listenTls(
    {},
    {
      windows,
      limits: { maxQueuedBytes: 64 << 20 },
      onRequest(stream) {
        stream.respond([new HeaderField(":status", "200")], false);
        stream.sendBody(stream.request);
      },
    },
  );
  const wire = await slowWire(listening.port);
  const source = new ChangingMaterial<DialMaterial>({ ca: authority.cert });
  const dial = tlsDialer(systemClock, { source, windows, limits: { maxQueuedBytes: 64 << 20 } });
  const connection = await dial("127.0.0.1", wire.port, 5000);
  const sent = new RandomBody();
  const received = createHash("sha256");
  let receivedBytes = 0;
  const fields = fieldsOf([":method", "POST"], [":scheme", "https"], [":path", "/"], [":authority", "test"]);
  await new Promise<void>((resolve, reject) => {
    connection.request(fields, sent, {
      head(_fields, _end, body) {
        body.attach({
          data(chunk) {
            received.update(chunk);
            receivedBytes += chunk.length;
            body.grant(chunk.length);
          },
          trailers() {},
          abort: reject,
        });
      },
      failed: reject,
      ended: (_trailers, error) => (error === undefined ? resolve() : reject(error)),
    });
  });
  expect(receivedBytes).toBe(totalBytes);
  expect(received.digest("hex")).toBe(sent.hash.digest("hex"));
  expect(full.server).toBeGreaterThan(100);
  expect(full.client).toBeGreaterThan(100);
  expect(closes).toEqual([]);
  spy.mockRestore();
  await connection.drain();
  await listening.drain(1000);
  wire.close();
});
