// A plain HTTP/2 server by node:http2, for clients that know nothing of gRPC: `/echo` sends the body back with
// trailers, `/hello` says so, `/hang` never answers.

import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";

export interface PlainBackend {
  readonly port: number;
  /** Requests of `/hang` that were reset or lost. */
  readonly hung: { now: number; aborted: number };
  close(): void;
}

export async function startPlainBackend(): Promise<PlainBackend> {
  const hung = { now: 0, aborted: 0 };
  const server = createServer();
  server.on("session", (session) => session.on("error", () => {}));
  server.on("stream", (stream, fields) => {
    stream.on("error", () => {});
    if (fields[":path"] === "/hang") {
      hung.now++;
      stream.resume();
      stream.on("close", () => {
        hung.now--;
        hung.aborted++;
      });
      return;
    }
    const back = fields["x-echo-bin"];
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-ended": "well" }));
    stream.respond({ ":status": 200, ...(back !== undefined && { "x-echo-bin": back }) }, { waitForTrailers: true });
    if (fields[":path"] === "/echo") {
      stream.pipe(stream);
    } else {
      stream.resume();
      stream.end("hello");
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, hung, close: () => server.close() };
}
