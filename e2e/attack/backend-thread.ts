// The server behind the proxy, in a thread of its own: plain node:http2. `/echo` sends a request
// back, `/hang` never answers, `/bytes/<n>` sends n octets; everything else is answered with status 0 when it has
// ended, and remembered by its path. Tells what it was asked for.

import { createServer, type Http2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { parentPort } from "node:worker_threads";

/** What the backend saw since it was last asked. */
export interface BackendReport {
  readonly requests: number;
  readonly openNow: number;
  readonly peakOpen: number;
  /** Requests of `/hang` that were neither reset nor lost. */
  readonly hanging: number;
  /** Paths that are none of the known ones, at most 1,000. */
  readonly strangePaths: readonly string[];
  /** Of those, the ones whose request came to its end. */
  readonly finishedPaths: readonly string[];
  readonly connections: number;
}

let requests = 0;
let open = 0;
let peakOpen = 0;
let hanging = 0;
let strangePaths: string[] = [];
let finishedPaths: string[] = [];
const sessions = new Set<Http2Session>();
const piece = Buffer.alloc(65_536, 0x62);

// By default node:http2 refuses streams on a connection whose responses hold 10 MB, whoever waits: what is tried here
// is what the proxy holds.
const server = createServer({ maxSessionMemory: 1000 });
server.on("session", (session) => {
  sessions.add(session);
  session.on("close", () => sessions.delete(session));
  session.on("error", () => {});
});
server.on("sessionError", () => {});
server.on("stream", (stream, fields) => {
  requests++;
  peakOpen = Math.max(peakOpen, ++open);
  stream.on("close", () => open--);
  stream.on("error", () => {});
  answer(stream, String(fields[":path"]));
});

function answer(stream: ServerHttp2Stream, path: string): void {
  if (path === "/hang") {
    hanging++;
    stream.on("close", () => hanging--);
    stream.resume();
  } else if (path === "/echo") {
    respond(stream);
    stream.pipe(stream, { end: true });
  } else if (path.startsWith("/bytes/")) {
    respond(stream);
    stream.resume();
    sendBytes(stream, Number(path.slice("/bytes/".length)));
  } else {
    noteStrange(stream, path);
  }
}

/** Answers only when the request came to its end; node:http2 says "end" of a request that was reset, too. */
function noteStrange(stream: ServerHttp2Stream, path: string): void {
  if (strangePaths.length < 1000) strangePaths.push(path);
  stream.on("end", () =>
    setImmediate(() => {
      if (stream.aborted || stream.destroyed || stream.rstCode !== 0) return;
      if (finishedPaths.length < 1000) finishedPaths.push(path);
      respond(stream);
      stream.end();
    }),
  );
  stream.resume();
}

function respond(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => {
    if (!stream.destroyed) stream.sendTrailers({ "grpc-status": "0" });
  });
}

function sendBytes(stream: ServerHttp2Stream, bytes: number): void {
  let left = bytes;
  const more = () => {
    while (left > 0 && !stream.destroyed) {
      const size = Math.min(left, piece.length);
      left -= size;
      if (!stream.write(piece.subarray(0, size))) {
        stream.once("drain", more);
        return;
      }
    }
    if (!stream.destroyed) stream.end();
  };
  more();
}

parentPort?.on("message", (message: { ask: "report" } | { ask: "goaway" }) => {
  if (message.ask === "goaway") {
    // A connection that goes away in an orderly way; its calls under way go on.
    for (const session of sessions) session.close();
    return;
  }
  const report: BackendReport = {
    ...{ requests, openNow: open, peakOpen, hanging, strangePaths, finishedPaths },
    connections: sessions.size,
  };
  parentPort?.postMessage({ report });
  requests = 0;
  peakOpen = open;
  strangePaths = [];
  finishedPaths = [];
});

server.listen(0, "127.0.0.1", () => parentPort?.postMessage({ port: (server.address() as AddressInfo).port }));
