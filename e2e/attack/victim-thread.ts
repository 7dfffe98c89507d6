// A client that does nothing wrong, in a thread of its own: calls at a steady rate on its own connections by
// node:http2, each with a body of its own whose echo must be the same. Notes each call's end; is asked for those of a
// span of time.

import { createHash, randomBytes, randomInt } from "node:crypto";
import { type ClientHttp2Session, connect } from "node:http2";
import { parentPort, workerData } from "node:worker_threads";

export interface VictimData {
  readonly port: number;
  readonly connections: number;
  readonly callsPerSecond: number;
}

/** Of the calls that began in a span of time. */
export interface VictimReport {
  readonly calls: number;
  /** What went wrong, with how often. */
  readonly errors: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

interface Call {
  readonly beganMs: number;
  endedMs: number;
  /** Empty: the echo was right. Undefined: under way. */
  error: string | undefined;
}

const { port, connections, callsPerSecond } = workerData as VictimData;
const timeoutMs = 10_000;
/** No class takes longer. */
const keptMs = 300_000;
let calls: Call[] = [];

function open(): { session: ClientHttp2Session; isUsable: boolean } {
  const session = connect(`http://127.0.0.1:${port}`);
  const state = { session, isUsable: true };
  session.on("error", () => {});
  session.on("goaway", () => {
    state.isUsable = false;
  });
  session.on("close", () => {
    state.isUsable = false;
  });
  return state;
}

const clients = Array.from({ length: connections }, open);

function call(at: number): void {
  if (!clients[at]!.isUsable) clients[at] = open();
  const { session } = clients[at]!;
  const noted: Call = { beganMs: now(), endedMs: 0, error: undefined };
  calls.push(noted);
  const message = randomBytes(randomInt(64, 8192));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const body = Buffer.concat([head, message]);
  const finish = (error: string) => {
    if (noted.error !== undefined) return;
    noted.error = error;
    noted.endedMs = now();
    clearTimeout(timer);
  };
  const timer = setTimeout(() => {
    finish(`no answer in ${timeoutMs} ms`);
    stream.close();
  }, timeoutMs);
  const stream = session.request({
    ...{ ":method": "POST", ":path": "/echo", te: "trailers" },
    ...{ "content-type": "application/grpc", "x-seen": "victim" },
  });
  const hash = createHash("sha256");
  let status: unknown;
  let grpcStatus: unknown;
  let said = "";
  stream.on("response", (fields) => {
    status = fields[":status"];
    grpcStatus = fields["grpc-status"];
    if (grpcStatus !== undefined) said = `, ${fields["x-ferry-failure"]}: ${fields["grpc-message"]}`;
  });
  stream.on("trailers", (fields) => {
    grpcStatus = fields["grpc-status"];
  });
  stream.on("data", (chunk: Buffer) => hash.update(chunk));
  stream.on("error", (error) => finish(error.message));
  stream.on("close", () => {
    if (status !== 200 || grpcStatus !== "0") finish(`status ${status}, grpc-status ${grpcStatus}${said}`);
    else finish(hash.digest().equals(createHash("sha256").update(body).digest()) ? "" : "the echo differs");
  });
  stream.end(body);
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

let next = 0;
if (connections > 0) setInterval(() => call(next++ % connections), 1000 / callsPerSecond);

parentPort?.on("message", async ({ sinceMs, untilMs }: { sinceMs: number; untilMs: number }) => {
  const asked = calls.filter(({ beganMs }) => beganMs >= sinceMs && beganMs <= untilMs);
  while (asked.some(({ error }) => error === undefined)) await new Promise((resolve) => setTimeout(resolve, 10));
  const errors: Record<string, number> = {};
  for (const { error } of asked) if (error !== undefined && error !== "") errors[error] = (errors[error] ?? 0) + 1;
  const times = asked.map(({ beganMs, endedMs }) => endedMs - beganMs).sort((a, b) => a - b);
  const at = (part: number) => Math.round((times[Math.max(0, Math.ceil(times.length * part) - 1)] ?? 0) * 10) / 10;
  const report: VictimReport = { calls: asked.length, errors, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  parentPort?.postMessage(report);
  calls = calls.filter(({ beganMs }) => beganMs > now() - keptMs);
});
