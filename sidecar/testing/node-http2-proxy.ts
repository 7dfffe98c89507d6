// A proxy on node:http2, written with care and without tricks: the oracle of proxy.suite.ts. HTTP/2 itself is nghttp2's
// there, so what it does right it does without any of our code. Not part of the product.

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { ProxyUnderTest } from "./proxy-under-test.ts";

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;
const settings = { maxHeaderListSize: 65_536, maxConcurrentStreams: 2000, initialWindowSize: 262_144 };

export async function startNodeHttp2Proxy(upstreamPort: number): Promise<ProxyUnderTest> {
  const sessions = new Set<Http2Session>();
  let upstream: ClientHttp2Session | undefined;
  const backend = (): ClientHttp2Session => {
    if (upstream === undefined || upstream.closed || upstream.destroyed) {
      upstream = connect(`http://127.0.0.1:${upstreamPort}`, { settings: { ...settings, enablePush: false } });
      upstream.on("error", () => {});
    }
    return upstream;
  };
  const server = createServer({ settings, maxSendHeaderBlockLength: 131_072 });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.on("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers, flags) => relay(stream, headers, flags, backend()));
  const port = await listen(server);
  return {
    port,
    async close() {
      for (const session of sessions) session.destroy();
      upstream?.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function relay(
  down: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  backend: ClientHttp2Session,
): void {
  const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
  let up: ClientHttp2Stream;
  try {
    up = backend.request(headers, { endStream, waitForTrailers: !endStream });
  } catch {
    down.close(NGHTTP2_INTERNAL_ERROR);
    return;
  }
  let requestTrailers = {};
  let replyTrailers = {};
  down.on("trailers", (fields) => {
    requestTrailers = fields;
  });
  up.on("trailers", (fields) => {
    replyTrailers = fields;
  });
  up.on("wantTrailers", () => up.sendTrailers(requestTrailers));
  down.on("wantTrailers", () => down.sendTrailers(replyTrailers));
  up.on("headers", (informational) => {
    if (!down.headersSent && !down.destroyed) down.additionalHeaders(informational);
  });
  up.on("response", (response, replyFlags) => {
    if (down.destroyed) return;
    if ((replyFlags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) {
      down.respond(response, { endStream: true });
    } else {
      down.respond(response, { waitForTrailers: true });
      up.pipe(down);
    }
  });
  down.on("error", () => {});
  up.on("error", () => {});
  down.on("close", () => {
    if (!up.closed) up.close(down.rstCode === NGHTTP2_NO_ERROR ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
  });
  up.on("close", () => {
    if (up.rstCode !== NGHTTP2_NO_ERROR && !down.closed) down.close(codeFor(up.rstCode));
  });
  if (!endStream) down.pipe(up);
}

function codeFor(rstCode: number | undefined): number {
  return rstCode === NGHTTP2_CANCEL ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR;
}

function listen(server: Http2Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
