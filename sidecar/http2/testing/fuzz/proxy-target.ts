// A `ferry proxy` process as the target of a part of the fuzzing: broken clients connect to its port, and behind it
// stands a server that answers every other connection with a broken recording. A good client calls all the while: its
// calls must end, in whatever way. At the end nothing may be open, and the process must have gone on without a defect.

import { once } from "node:events";
import { connect as connectHttp2, createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type Running, startFerry } from "../../../../e2e/testing/ferry.ts";
import type { Trial } from "./trial.ts";

export interface ProxyReport {
  readonly problems: readonly string[];
  readonly figures: {
    readonly conversations: number;
    readonly calls: number;
    readonly answered: number;
    readonly rssMb: number;
    readonly loopDelayMs: number;
  };
}

const maxRssMb = 400;
const maxLoopDelayMs = 100;

export class ProxyTarget {
  readonly #proxy: Running;
  readonly #port: number;
  readonly #admin: string;
  readonly #close: () => void;
  /** What the server behind the proxy says next to a new connection; undefined: it serves. */
  #broken: readonly Buffer[] | undefined = undefined;
  #conversations = 0;
  #calls = 0;
  #answered = 0;
  /** The 99th percentile of each span of 50 conversations. */
  readonly #loopDelaysMs: number[] = [];

  private constructor(parts: {
    proxy: Running;
    listen: string;
    admin: string;
    close: () => void;
  }) {
    this.#proxy = parts.proxy;
    this.#port = Number(parts.listen.split(":")[1]);
    this.#admin = parts.admin;
    this.#close = parts.close;
  }

  static async start(): Promise<ProxyTarget> {
    const good = createHttp2Server();
    good.on("stream", answer);
    good.on("session", (session) => session.on("error", () => {}));
    const target: { current: ProxyTarget | undefined } = { current: undefined };
    const backend = createServer((socket: Socket) => {
      socket.on("error", () => {});
      const broken = target.current?.takeBroken();
      if (broken === undefined) {
        good.emit("connection", socket);
        return;
      }
      socket.resume();
      for (const read of broken) socket.write(read);
      socket.end();
    });
    backend.listen(0, "127.0.0.1");
    await once(backend, "listening");
    const upstream = `127.0.0.1:${(backend.address() as AddressInfo).port}`;
    const proxy = startFerry(["proxy", "--listen", "127.0.0.1:0", "--upstream", upstream, "--json"]);
    // Whatever ends this process ends the proxy.
    process.once("exit", () => proxy.signal("SIGKILL"));
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
    const { listen, admin } = await proxy.event("ready", 20_000);
    target.current = new ProxyTarget({ proxy, listen, admin, close: () => backend.close() });
    return target.current;
  }

  takeBroken(): readonly Buffer[] | undefined {
    const broken = this.#broken;
    this.#broken = undefined;
    return broken;
  }

  /** Plays a trial of a server's role as a client of the proxy, one of a client's role as the server behind it. */
  async attack(trial: Trial): Promise<readonly string[]> {
    this.#conversations++;
    if (trial.role === "client") this.#broken = trial.reads;
    else await this.#sendBroken(trial.reads);
    const isEnded = await this.#callWell();
    if (this.#conversations % 50 === 0) await this.#readLoopDelay();
    return isEnded ? [] : ["a good client's call through the proxy did not end in 10 s"];
  }

  async #sendBroken(reads: readonly Buffer[]): Promise<void> {
    const socket = connect(this.#port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    await Promise.race([once(socket, "connect"), once(socket, "close")]);
    for (const read of reads) socket.write(read);
    socket.end();
    const late = setTimeout(() => socket.destroy(), 2000);
    await once(socket, "close");
    clearTimeout(late);
  }

  async #callWell(): Promise<boolean> {
    this.#calls++;
    const session = connectHttp2(`http://127.0.0.1:${this.#port}`);
    session.on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": "/",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    stream.on("response", () => this.#answered++);
    stream.resume();
    stream.end("good");
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(false), 10_000);
    const isEnded = await Promise.race([once(stream, "close").then(() => true), late.promise]);
    clearTimeout(timer);
    session.destroy();
    return isEnded;
  }

  async #readLoopDelay(): Promise<void> {
    const metrics = await this.#metrics();
    const seconds = metrics.get('nodejs_eventloop_delay_seconds{quantile="0.99"}') ?? 0;
    this.#loopDelaysMs.push(seconds * 1000);
  }

  async #metrics(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`http://${this.#admin}/metrics`)).text();
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
  }

  async stop(): Promise<ProxyReport> {
    const problems: string[] = [];
    let open = -1;
    let metrics: ReadonlyMap<string, number> = new Map();
    for (let n = 0; n < 100 && open !== 0; n++) {
      metrics = await this.#metrics().catch(() => new Map<string, number>());
      open = metrics.get('ferry_connections{at="outbound"}') ?? -1;
      if (open !== 0) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (open !== 0) problems.push(`the proxy has ${open} connections of clients left`);
    if (metrics.get("ferry_calls_in_flight") !== 0) problems.push("the proxy has calls in flight left");
    const rssMb = Math.round((metrics.get("process_resident_memory_bytes") ?? 0) / 1e6);
    if (rssMb > maxRssMb) problems.push(`the proxy's memory is ${rssMb} MB`);
    // The median of them: others use the machine, too.
    const loopDelayMs = Math.round(this.#loopDelaysMs.sort((a, b) => a - b)[this.#loopDelaysMs.length >> 1] ?? 0);
    if (loopDelayMs > maxLoopDelayMs) problems.push(`the proxy's event loop was late by ${loopDelayMs} ms`);
    for (const line of this.#proxy.stderr.split("\n")) {
      if (/"level":"error"|uncaught|Assertion|defect/i.test(line)) problems.push(`the proxy said: ${line}`);
    }
    this.#proxy.signal("SIGTERM");
    const late = setTimeout(() => this.#proxy.signal("SIGKILL"), 35_000);
    const { code } = await this.#proxy.exited;
    clearTimeout(late);
    if (code !== 0) problems.push(`the proxy ended with ${code}`);
    this.#close();
    const [conversations, calls, answered] = [this.#conversations, this.#calls, this.#answered];
    return { problems, figures: { conversations, calls, answered, rssMb, loopDelayMs } };
  }
}

function answer(stream: ServerHttp2Stream): void {
  stream.on("error", () => {});
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.resume();
  stream.end("reply");
}
