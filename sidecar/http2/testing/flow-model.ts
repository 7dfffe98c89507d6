// A connection of ours, in either role, against strict-peer.ts under random operations: streams opened, answered,
// padded, stalled, granted, reset from both sides, windows moved by SETTINGS. Afterwards every octet of credit must be
// back and nothing may be held. Used by flow-model.test.ts, and by whoever wants more operations:
//
//   node sidecar/http2/testing/flow-model.ts <server|client> <operations> <seed>

import { systemClock } from "../../../common/clock.ts";
import { type Random, seededRandom } from "../../../common/random.ts";
import type { BodySink, BodySource } from "../body.ts";
import { BufferedBytes } from "../buffered-bytes.ts";
import { ClientConnection } from "../client.ts";
import { ErrorCode } from "../error-code.ts";
import { clientPreface } from "../frames.ts";
import { defaultLimits, type Limits } from "../limits.ts";
import { ServerConnection } from "../server.ts";
import { fieldsOf, headersFrame, ok, postRequest, settingsAck, settingsFrame } from "./frame-peer.ts";
import { memorySocket } from "./memory-socket.ts";
import { type PeerStream, StrictPeer, tagOf } from "./strict-peer.ts";

export interface FlowModelParams {
  readonly role: "server" | "client";
  readonly operations: number;
  readonly seed: number;
}

/** What happened, to see that something did. */
export interface FlowModelCounts {
  opened: number;
  ended: number;
  resets: number;
  sentBytes: number;
  receivedBytes: number;
}

const windows = { streamBytes: 65_535, connectionBytes: 70_000 };
const bodyCredit = 30_000;
const maxOpen = 40;
const turnOperations = 25;
// Nobody misbehaves here, but fast; and windows that do not grow can be held to their size.
const limits: Partial<Limits> = Object.fromEntries(
  Object.keys(defaultLimits)
    .filter((name) => /Burst$|^resetRatioStreams$|^maxQueuedControlFrames$/.test(name))
    .map((name) => [name, 1e9])
    .concat([
      ["maxStreamWindowBytes", 0],
      ["maxConnectionWindowBytes", 0],
    ]),
);

/** The application's end of a stream of ours: source of what is sent, sink of what comes. */
class App implements BodySource, BodySink {
  readonly tag: number;
  credit = bodyCredit;
  pushed = 0;
  held = 0;
  hasEnded = false;
  isGone = false;
  incoming: BodySource | undefined = undefined;
  isAttached = false;
  reset: () => void = () => {};
  #sink: BodySink | undefined = undefined;

  constructor(id: number) {
    this.tag = tagOf(id);
  }

  attach(sink: BodySink): void {
    this.#sink = sink;
  }
  grant(bytes: number): void {
    this.credit += bytes;
    if (this.credit > bodyCredit) throw new Error(`${this.credit - bodyCredit} octets granted twice`);
  }
  cancel(): void {
    this.isGone = true;
  }
  data(chunk: Buffer): void {
    for (const octet of chunk) if (octet !== this.tag) throw new Error(`octet ${octet} of another stream`);
    this.held += chunk.length;
  }
  trailers(): void {}
  abort(): void {
    this.held = 0;
  }

  push(bytes: number): void {
    if (this.#sink === undefined || this.hasEnded || this.isGone) return;
    const content = Buffer.alloc(Math.min(bytes, this.credit), this.tag);
    this.credit -= content.length;
    this.pushed += content.length;
    this.#sink.data(content, false);
  }
  end(withTrailers: boolean): void {
    if (this.#sink === undefined || this.hasEnded || this.isGone) return;
    this.hasEnded = true;
    if (withTrailers) this.#sink.trailers(fieldsOf(["grpc-status", "0"]));
    else this.#sink.data(Buffer.alloc(0), true);
  }
  take(share: number): number {
    if (this.incoming === undefined) return 0;
    if (!this.isAttached) {
      this.isAttached = true;
      this.incoming.attach(this);
      return 0;
    }
    const bytes = Math.ceil(this.held * share);
    this.held -= bytes;
    this.incoming.grant(bytes);
    return bytes;
  }
}

class FlowModel {
  readonly #isServer: boolean;
  readonly #random: Random;
  readonly #buffers = new BufferedBytes(1 << 30);
  readonly #apps = new Map<number, App>();
  /** Applications whose stream the peer has reset. */
  readonly #left: App[] = [];
  readonly #peer: StrictPeer;
  readonly #toOurs: Buffer[] = [];
  readonly #push: (octets: Buffer) => void;
  readonly #close: () => void;
  #client: ClientConnection | undefined = undefined;
  readonly counts: FlowModelCounts = { opened: 0, ended: 0, resets: 0, sentBytes: 0, receivedBytes: 0 };
  #nextId = 1;
  #defect: unknown = undefined;

  constructor({ role, seed }: FlowModelParams) {
    this.#isServer = role === "server";
    this.#random = seededRandom(seed);
    this.#peer = new StrictPeer(!this.#isServer, windows.connectionBytes, (octets) => this.#toOurs.push(octets));
    this.#peer.onEnd = (id, received) => {
      const app = this.#apps.get(id);
      this.counts.ended++;
      this.counts.sentBytes += received;
      if (app !== undefined && received !== app.pushed) throw new Error(`stream ${id}: ${received} of ${app.pushed}`);
    };
    const { socket, push, close } = memorySocket((octets) => this.#guarded(() => this.#fromOurs(octets)));
    this.#push = push;
    this.#close = close;
    const options = { clock: systemClock, limits, windows, buffers: this.#buffers };
    if (this.#isServer) {
      new ServerConnection(socket, {
        ...options,
        onRequest: (stream) => {
          const app = new App(this.#nextId - 2);
          this.#apps.set(this.#nextId - 2, app);
          app.incoming = stream.request;
          app.reset = () => stream.reset(ErrorCode.CANCEL);
          stream.onAbort(() => app.cancel());
          stream.respond(ok, false);
          stream.sendBody(app);
        },
      });
      this.#toOurs.push(clientPreface);
    } else {
      this.#client = new ClientConnection(socket, options);
    }
    this.#toOurs.push(settingsFrame(), settingsAck);
  }

  async run(operations: number): Promise<void> {
    await this.#turn();
    for (let done = 0; done < operations; done += turnOperations) {
      for (let i = 0; i < turnOperations; i++) this.#operate();
      await this.#turn();
    }
    await this.#checkCredit();
    this.#close();
  }

  #fromOurs(octets: Buffer): void {
    // A client's preface is no frame.
    this.#peer.read(octets.subarray(0, 3).toString() === "PRI" ? octets.subarray(clientPreface.length) : octets);
  }

  /** Inside a stream's callbacks an error would be taken for the socket's. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#defect ??= error;
    }
  }

  /** Everything that was sent is read, answered, and the answers read. */
  async #turn(): Promise<void> {
    do {
      const octets = Buffer.concat(this.#toOurs.splice(0));
      if (octets.length > 0) this.#push(octets);
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
      if (this.#defect !== undefined) throw this.#defect;
    } while (this.#toOurs.length > 0);
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  #operate(): void {
    const streams = [...this.#peer.streams.values()];
    const stream = streams[this.#below(streams.length)];
    const app = stream === undefined ? undefined : this.#apps.get(stream.id);
    if (stream === undefined || app === undefined) {
      this.#open();
      return;
    }
    const choice = this.#below(100);
    if (choice < 12) this.#open();
    else if (choice < 40) this.#peerOperates(stream, choice - 12);
    else if (choice < 44) this.#peer.grant(undefined, 1 + this.#below(60_000));
    else if (choice === 44) this.#peer.setWindow(this.#below(4) === 0 ? 0 : this.#below(100_000));
    else if (choice < 70) app.push(this.#below(20_000));
    else if (choice < 92) this.counts.receivedBytes += app.take(Math.min(1, 1.4 * this.#random()));
    else if (choice < 98) app.end(choice < 95);
    else this.#resetOurs(stream, app);
  }

  #peerOperates(stream: PeerStream, choice: number): void {
    if (!stream.hasSentHead) {
      stream.hasSentHead = true;
      this.#toOurs.push(headersFrame(stream.id, ok));
    } else if (choice < 14 && !stream.hasSentEnd) {
      this.#peer.sendData(stream, this.#below(16_384), choice < 8 ? -1 : this.#below(256));
    } else if (choice < 24) {
      this.#peer.grant(stream, 1 + this.#below(30_000));
    } else if (choice < 26 && !stream.hasSentEnd) {
      this.#peer.sendEnd(stream);
    } else if (choice === 27) {
      this.counts.resets++;
      const app = this.#apps.get(stream.id);
      // Ours may have ended before: then what came stays for the application until it takes or refuses it.
      if (app !== undefined) this.#left.push(app);
      this.#apps.delete(stream.id);
      this.#peer.reset(stream);
    }
  }

  #open(): void {
    if (this.#peer.streams.size >= maxOpen) return;
    this.counts.opened++;
    const id = this.#nextId;
    if (this.#isServer) {
      this.#nextId += 2;
      this.#peer.open(id);
      this.#toOurs.push(headersFrame(id, postRequest));
      // The handler takes its number from `nextId`, so it must run before the next one is opened.
      this.#push(Buffer.concat(this.#toOurs.splice(0)));
      return;
    }
    if (this.#client === undefined || this.#client.available === 0) return;
    this.#nextId += 2;
    const app = new App(id);
    this.#apps.set(id, app);
    const request = this.#client.request(postRequest, app, {
      head: (_fields, _end, body) => {
        app.incoming = body;
      },
      failed() {},
      ended() {},
    });
    app.reset = () => request.cancel(ErrorCode.CANCEL);
  }

  #resetOurs(stream: PeerStream, app: App): void {
    this.counts.resets++;
    this.#apps.delete(stream.id);
    app.isGone = true;
    app.reset();
  }

  async #checkCredit(): Promise<void> {
    await this.#turn();
    for (const app of [...this.#apps.values(), ...this.#left]) {
      app.isGone = true;
      app.reset();
    }
    this.#apps.clear();
    await this.#turn();
    if (this.#buffers.total !== 0) throw new Error(`${this.#buffers.total} octets are held for nobody`);
    // Credit is announced in lumps: single octets bring out the last lump, after which all of it must be there.
    this.#open();
    await this.#turn();
    const stream = [...this.#peer.streams.values()].at(-1)!;
    if (!stream.hasSentHead) this.#toOurs.push(headersFrame(stream.id, ok));
    for (let sent = 0; sent <= windows.connectionBytes / 2; sent++) {
      const before = this.#peer.sendCredit;
      this.#peer.sendData(stream, 1, -1);
      await this.#turn();
      if (this.#peer.sendCredit < before) continue;
      const missing = windows.connectionBytes - this.#peer.sendCredit;
      if (missing !== 0) throw new Error(`the connection's window is ${missing} octets short`);
      return;
    }
    throw new Error("the connection's window was not announced again");
  }
}

/** Throws at the first octet that is wrong. */
export async function runFlowModel(params: FlowModelParams): Promise<FlowModelCounts> {
  const model = new FlowModel(params);
  await model.run(params.operations);
  return model.counts;
}

if (import.meta.main) {
  const [role, operations, seed] = process.argv.slice(2);
  const params = { role: role === "client" ? "client" : "server", operations: Number(operations), seed: Number(seed) };
  const startedMs = performance.now();
  const counts = await runFlowModel(params as FlowModelParams);
  console.log(JSON.stringify({ event: "done", ...params, ...counts, ms: Math.round(performance.now() - startedMs) }));
  process.exit(0);
}
