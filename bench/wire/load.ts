// The benchmark's own load generator: what h2load cannot do. Headers that differ from call to call as grpc-go's do, a
// steady rate, streams of answers whose octets are counted. A process of its own:
//
//   node bench/wire/load.ts '<LoadPlan as JSON>'     prints LoadFigures as JSON
//
// Latencies are measured by every call. With a rate they count from the moment when the call was due, so that a stall
// of the proxy is seen by all calls that it held up, also by those that found no free stream and were begun late.
// Connections, and their handshakes, are made before the clock starts, and kept.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { percentile } from "../percentile.ts";
import { FrameConnection } from "./frame-connection.ts";
import type { LoadFigures, LoadPlan } from "./load-plan.ts";
import { grpcMessage, orderMessage } from "./message.ts";
import { RequestBlocks } from "./request-blocks.ts";

interface OpenCall {
  readonly sinceMs: number;
  /** Its latency is: not when the load itself is still being compiled. */
  readonly isCounted: boolean;
  bytes: number;
}

/** All connections of one load and what came of it. */
class Load {
  readonly #plan: LoadPlan;
  readonly #message: Buffer;
  readonly #answerBytes: number;
  readonly #latenciesMs: Float64Array;
  readonly #clients: Client[] = [];
  readonly #finish: (figures: LoadFigures) => void;
  #startedMs = 0;
  #hasEnded = false;
  #begun = 0;
  #answered = 0;
  #counted = 0;
  #errors = 0;
  #error = "";
  #bytes = 0;
  #turn = 0;

  /** Over `sockets` that are connected, one for each connection of the plan. */
  constructor(plan: LoadPlan, sockets: readonly Socket[], finish: (figures: LoadFigures) => void) {
    const { messageBytes, reply, requests } = plan;
    this.#plan = plan;
    this.#finish = finish;
    this.#message = reply === undefined ? grpcMessage(messageBytes) : orderMessage(messageBytes, reply);
    this.#answerBytes = reply === undefined ? messageBytes : reply.messages * reply.bytes;
    this.#latenciesMs = new Float64Array(requests);
    for (const socket of sockets) this.#clients.push(new Client(plan, socket, { message: this.#message, load: this }));
    this.#startedMs = performance.now();
    if (plan.ratePerSecond > 0) this.#keepRate();
    else for (const client of this.#clients) this.#fill(client);
  }

  /** A call ended with its trailers. */
  ended(client: Client, call: OpenCall): void {
    this.#bytes += call.bytes;
    if (call.bytes !== this.#answerBytes) {
      this.failed(client, `an answer of ${call.bytes} octets, expected ${this.#answerBytes}`);
      return;
    }
    this.#answered++;
    if (call.isCounted) this.#latenciesMs[this.#counted++] = performance.now() - call.sinceMs;
    this.#next(client);
  }

  failed(client: Client, why: string): void {
    this.#errors++;
    this.#error ||= why;
    this.#next(client);
  }

  /** Without a connection nothing more can come. */
  lost(why: string): void {
    this.#error ||= why;
    if (this.#clients.every(({ isLost }) => isLost)) this.#end();
  }

  #next(client: Client): void {
    if (this.#answered + this.#errors >= this.#plan.requests) this.#end();
    else if (this.#plan.ratePerSecond > 0) this.#beginDue();
    else if (!client.isLost) this.#fill(client);
  }

  #fill(client: Client): void {
    while (client.open < this.#plan.streams && this.#begun < this.#plan.requests) {
      client.begin(performance.now(), this.#begun++ >= this.#plan.uncounted);
    }
  }

  /** What has become due is begun each millisecond: turning all the time would take the core from the backend. */
  #keepRate(): void {
    this.#beginDue();
    if (this.#begun < this.#plan.requests && !this.#hasEnded) setTimeout(() => this.#keepRate(), 1);
  }

  /** Begins what is due, on the connections in turn, as far as they have a free stream. */
  #beginDue(): void {
    const { ratePerSecond, requests } = this.#plan;
    const elapsedMs = performance.now() - this.#startedMs;
    const due = Math.min(requests, Math.floor((elapsedMs / 1000) * ratePerSecond));
    while (this.#begun < due) {
      const client = this.#nextFree();
      if (client === undefined) return;
      const dueMs = this.#startedMs + (this.#begun / ratePerSecond) * 1000;
      client.begin(dueMs, this.#begun++ >= this.#plan.uncounted);
    }
  }

  #nextFree(): Client | undefined {
    const { streams, connections } = this.#plan;
    for (let tries = 0; tries < connections; tries++) {
      const client = this.#clients[this.#turn++ % connections]!;
      if (client.open < streams && !client.isLost) return client;
    }
    return undefined;
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const seconds = (performance.now() - this.#startedMs) / 1000;
    for (const client of this.#clients) client.close();
    const sorted = Array.from(this.#latenciesMs.subarray(0, this.#counted)).sort((a, b) => a - b);
    this.#finish({
      seconds,
      rps: this.#answered / seconds,
      answered: this.#answered,
      errors: this.#errors,
      error: this.#error,
      bytesPerSecond: this.#bytes / seconds,
      p50Us: Math.round(percentile(sorted, 0.5) * 1000),
      p99Us: Math.round(percentile(sorted, 0.99) * 1000),
    });
  }
}

/** One connection and its calls. */
class Client {
  readonly #connection: FrameConnection;
  readonly #blocks: RequestBlocks;
  readonly #message: Buffer;
  readonly #calls = new Map<number, OpenCall>();
  #nextId = 1;
  isLost = false;

  constructor(plan: LoadPlan, socket: Socket, { message, load }: { readonly message: Buffer; readonly load: Load }) {
    this.#message = message;
    this.#blocks = new RequestBlocks(plan.headers, plan.path);
    const forget = (streamId: number) => {
      const call = this.#calls.get(streamId);
      this.#calls.delete(streamId);
      this.#connection.forget(streamId);
      return call;
    };
    this.#connection = new FrameConnection(socket, "client", {
      headers: (streamId, isEnd) => {
        if (!isEnd) return;
        const call = forget(streamId);
        if (call !== undefined) load.ended(this, call);
      },
      data: (streamId, payload, isEnd) => {
        const call = this.#calls.get(streamId);
        if (call === undefined) return;
        call.bytes += payload.length;
        if (isEnd) {
          forget(streamId);
          load.failed(this, "an answer without trailers");
        }
      },
      reset: (streamId, code) => {
        if (forget(streamId) !== undefined) load.failed(this, `RST_STREAM ${code}`);
      },
      lost: (reason) => {
        if (this.isLost) return;
        this.isLost = true;
        for (const streamId of [...this.#calls.keys()]) {
          forget(streamId);
          load.failed(this, reason);
        }
        load.lost(reason);
      },
    });
  }

  get open(): number {
    return this.#calls.size;
  }

  begin(sinceMs: number, isCounted: boolean): void {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#calls.set(id, { sinceMs, isCounted, bytes: 0 });
    this.#connection.sendHeaders(id, this.#blocks.next(), false);
    if (!this.#connection.trySendData(id, this.#message, true)) {
      this.#connection.sendData(id, this.#message, true, () => {});
    }
  }

  close(): void {
    this.isLost = true;
    this.#connection.close();
  }
}

/** One connection of the load, ready for HTTP/2. */
async function open({ port, tls }: LoadPlan): Promise<Socket> {
  if (tls === undefined) {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  }
  const socket = connectTls({
    ...{ host: "127.0.0.1", port, servername: "localhost", ALPNProtocols: ["h2"], minVersion: "TLSv1.3" },
    // One for all peers, or each would be measured with the cipher that it happens to prefer.
    ciphers: "TLS_AES_128_GCM_SHA256",
    ca: readFileSync(tls.caFile),
    cert: readFileSync(tls.certFile),
    key: readFileSync(tls.keyFile),
  });
  await once(socket, "secureConnect");
  if (socket.alpnProtocol !== "h2") throw new Error(`ALPN agreed on ${socket.alpnProtocol || "nothing"}, expected h2`);
  return socket;
}

const plan = JSON.parse(process.argv[2] ?? "{}") as LoadPlan;
const sockets = await Promise.all(Array.from({ length: plan.connections }, () => open(plan)));
new Load(plan, sockets, (figures) => {
  process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0));
});
