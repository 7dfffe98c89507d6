// The benchmark's own load generator: what h2load cannot do. Headers that differ from call to call as grpc-go's do, a
// steady rate, streams of answers whose octets are counted. A process of its own:
//
//   node bench/wire/load.ts '<LoadPlan as JSON>'     prints LoadFigures as JSON
//
// Latencies are measured by every call. With a rate they count from the moment when the call was due, so that a stall
// of the proxy is seen by all calls that it held up.

import { connect } from "node:net";
import { percentile } from "../percentile.ts";
import { FrameConnection } from "./frame-connection.ts";
import type { LoadFigures, LoadPlan } from "./load-plan.ts";
import { grpcMessage, orderMessage } from "./message.ts";
import { RequestBlocks } from "./request-blocks.ts";

interface OpenCall {
  readonly sinceMs: number;
  bytes: number;
}

/** All connections of one load and what came of it. */
class Load {
  readonly #plan: LoadPlan;
  readonly #message: Buffer;
  readonly #answerBytes: number;
  readonly #latenciesMs: Float64Array;
  readonly #clients: Client[] = [];
  readonly #startedMs: number;
  readonly #finish: (figures: LoadFigures) => void;
  #begun = 0;
  #answered = 0;
  #errors = 0;
  #error = "";
  #bytes = 0;
  #turn = 0;

  constructor(plan: LoadPlan, finish: (figures: LoadFigures) => void) {
    const { messageBytes, reply, requests } = plan;
    this.#plan = plan;
    this.#finish = finish;
    this.#message = reply === undefined ? grpcMessage(messageBytes) : orderMessage(messageBytes, reply);
    this.#answerBytes = reply === undefined ? messageBytes : reply.messages * reply.bytes;
    this.#latenciesMs = new Float64Array(requests);
    for (let i = 0; i < plan.connections; i++) this.#clients.push(new Client(plan, this.#message, this));
    this.#startedMs = performance.now();
    if (plan.ratePerSecond > 0) this.#beginDue();
    else for (const client of this.#clients) this.#fill(client);
  }

  /** A call ended with its trailers. */
  ended(client: Client, call: OpenCall): void {
    this.#bytes += call.bytes;
    if (call.bytes !== this.#answerBytes) {
      this.failed(client, `an answer of ${call.bytes} octets, expected ${this.#answerBytes}`);
      return;
    }
    this.#latenciesMs[this.#answered++] = performance.now() - call.sinceMs;
    this.#next(client);
  }

  failed(client: Client, why: string): void {
    this.#errors++;
    this.#error ||= why;
    this.#next(client);
  }

  #next(client: Client): void {
    if (this.#answered + this.#errors >= this.#plan.requests) this.#end();
    else if (this.#plan.ratePerSecond === 0 && this.#begun < this.#plan.requests && !client.isLost) this.#fill(client);
  }

  #fill(client: Client): void {
    while (client.open < this.#plan.streams && this.#begun < this.#plan.requests) {
      this.#begun++;
      client.begin(performance.now());
    }
  }

  #beginDue(): void {
    const { ratePerSecond, requests, connections } = this.#plan;
    const dueCalls = Math.min(requests, Math.floor(((performance.now() - this.#startedMs) / 1000) * ratePerSecond));
    while (this.#begun < dueCalls) {
      const dueMs = this.#startedMs + (this.#begun++ / ratePerSecond) * 1000;
      this.#clients[this.#turn++ % connections]!.begin(dueMs);
    }
    if (this.#begun < requests) setTimeout(() => this.#beginDue(), 1);
  }

  #end(): void {
    const seconds = (performance.now() - this.#startedMs) / 1000;
    for (const client of this.#clients) client.close();
    const sorted = Array.from(this.#latenciesMs.subarray(0, this.#answered)).sort((a, b) => a - b);
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

  constructor(plan: LoadPlan, message: Buffer, load: Load) {
    this.#message = message;
    this.#blocks = new RequestBlocks(plan.headers, plan.path);
    const forget = (streamId: number) => {
      const call = this.#calls.get(streamId);
      this.#calls.delete(streamId);
      this.#connection.forget(streamId);
      return call;
    };
    this.#connection = new FrameConnection(connect(plan.port, "127.0.0.1"), "client", {
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
      },
    });
  }

  get open(): number {
    return this.#calls.size;
  }

  begin(sinceMs: number): void {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#calls.set(id, { sinceMs, bytes: 0 });
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

const plan = JSON.parse(process.argv[2] ?? "{}") as LoadPlan;
new Load(plan, (figures) => {
  process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0));
});
