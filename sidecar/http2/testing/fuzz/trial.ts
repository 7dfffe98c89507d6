// One broken conversation with one connection of ours, in this process: octets in, and what must hold whatever they
// were. No exception; what is written is HTTP/2; everybody who waits is told exactly once; at the end no stream, no
// timer and no counted octet is left.

import { TestingClock } from "../../../../common/testing-clock.ts";
import type { BodySource } from "../../body.ts";
import { BufferedBytes } from "../../buffered-bytes.ts";
import { ClientConnection } from "../../client.ts";
import { ErrorCode } from "../../error-code.ts";
import { HeaderField, type HeaderFields } from "../../header-field.ts";
import { ServerConnection, type ServerStream } from "../../server.ts";
import { RecordingSink, ScriptedBody } from "../scripted-server.ts";
import { grantedBytes } from "./granted.ts";
import { type MemorySocket, memorySocket } from "./memory-socket.ts";
import { OutputCheck } from "./output-check.ts";

export interface Trial {
  /** Which of our roles is tried. */
  readonly role: "server" | "client";
  /** What our peer sends, read by read. */
  readonly reads: readonly Buffer[];
  /** Picks what the application does with each stream. */
  readonly behaviour: number;
  /** After the last read the peer closes, or says nothing for 20 minutes. */
  readonly ending: "closes" | "silent";
}

export interface TrialResult {
  readonly problems: readonly string[];
  /** The longest that one read held the process. */
  readonly slowestMs: number;
  /** Of our GOAWAY; -1: none. */
  readonly goawayCode: number;
  readonly streams: number;
}

const field = (name: string, value: string) => new HeaderField(name, value);
const ok: HeaderFields = [field(":status", "200"), field("content-type", "application/grpc")];
const trailersOnly: HeaderFields = [...ok, field("grpc-status", "5")];

/** What one stream was told, for both roles. */
class Told {
  closes = 0;
  aborts = 0;
  heads = 0;
}

export async function runTrial(trial: Trial): Promise<TrialResult> {
  const clock = new TestingClock();
  const buffers = new BufferedBytes(1 << 26);
  const check = new OutputCheck(trial.role === "server");
  const wire = memorySocket((octets) => check.read(octets));
  const problems: string[] = [];
  const told: Told[] = [];
  const common = { clock, buffers, random: () => 0.5 };
  const connection =
    trial.role === "server"
      ? new ServerConnection(wire.socket, {
          ...common,
          onRequest: (stream) => told.push(serve(stream, trial, told.length)),
        })
      : openClient(new ClientConnection(wire.socket, common), trial, told, problems);
  const slowestMs = await feed(wire, trial.reads);
  if (trial.ending === "silent") {
    await clock.advance(20 * 60_000);
    // A client without calls may keep its connection for as long as it likes.
    const mayStay = trial.role === "client" && connection.openStreams === 0;
    if (!wire.isOver && !mayStay)
      problems.push(`still open after 20 silent minutes, ${connection.openStreams} streams`);
  }
  wire.end();
  await turn();
  await clock.advance(10_000);
  if (!wire.isOver) problems.push("the socket is still open after the peer closed it");
  check.finish();
  const granted = grantedBytes(Buffer.concat(trial.reads));
  for (const [id, bytes] of check.sentBytes) {
    if (bytes > granted(id)) problems.push(`sent ${bytes} octets on stream ${id}, granted were ${granted(id)}`);
  }
  if (check.problem !== undefined) problems.push(check.problem);
  if (connection.openStreams > 0) problems.push(`${connection.openStreams} streams are left`);
  if (clock.pendingTimers > 0) problems.push(`${clock.pendingTimers} timers are left`);
  if (buffers.total !== 0) problems.push(`${buffers.total} octets are still counted`);
  for (const [n, { closes, aborts, heads }] of told.entries()) {
    if (closes !== 1 || aborts > 1 || heads > 1)
      problems.push(`stream ${n}: told ${closes} closes, ${aborts} aborts, ${heads} heads`);
  }
  return { problems, slowestMs, goawayCode: check.goawayCode, streams: told.length };
}

async function feed(wire: MemorySocket, reads: readonly Buffer[]): Promise<number> {
  let slowestMs = 0;
  for (const read of reads) {
    if (wire.isOver) break;
    const beganMs = performance.now();
    wire.give(Buffer.from(read));
    await turn();
    slowestMs = Math.max(slowestMs, performance.now() - beganMs);
  }
  // A large read is worked on in several turns.
  for (let n = 0; n < 40; n++) await turn();
  return slowestMs;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function serve(stream: ServerStream, { behaviour }: Trial, n: number): Told {
  const told = new Told();
  stream.onClose(() => told.closes++);
  stream.onAbort(() => told.aborts++);
  switch ((behaviour + n) % 6) {
    case 0:
      stream.respond(ok, false);
      stream.sendBody(stream.request);
      break;
    case 1:
      stream.respond(trailersOnly, true);
      break;
    case 2: {
      const body = new ScriptedBody();
      stream.request.attach(new RecordingSink(stream.request));
      stream.respond(ok, false);
      stream.sendBody(body);
      body.push(20_000);
      body.push(100_000, true);
      break;
    }
    case 3:
      stream.request.attach(new RecordingSink());
      break;
    case 4:
      stream.reset(ErrorCode.REFUSED_STREAM);
      break;
    default:
      stream.request.cancel(ErrorCode.NO_ERROR);
      stream.respond(trailersOnly, true);
  }
  return told;
}

function openClient(client: ClientConnection, trial: Trial, told: Told[], problems: string[]): ClientConnection {
  client.ready().catch(() => {});
  for (let n = 0; n < 1 + (trial.behaviour % 5); n++) {
    const one = new Told();
    told.push(one);
    const body = n % 2 === 0 ? undefined : new ScriptedBody();
    const head = [
      ...[field(":method", body === undefined ? "GET" : "POST"), field(":scheme", "http"), field(":path", "/")],
      ...[field(":authority", "test"), field("content-type", "application/grpc"), field("te", "trailers")],
    ];
    let hasFailed = false;
    client.request(head, body, {
      head(_fields, _end, source: BodySource) {
        one.heads++;
        if (hasFailed) problems.push(`request ${n}: a head after a failure`);
        source.attach(new RecordingSink(trial.behaviour % 3 === 0 ? undefined : source));
      },
      failed() {
        hasFailed = true;
        if (one.heads > 0) problems.push(`request ${n}: a failure after a head`);
      },
      ended() {
        one.closes++;
      },
    });
    body?.push(10_000, n % 4 === 1);
  }
  return client;
}
