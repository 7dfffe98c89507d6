// The proxy that one writes in an afternoon on `node:http2`: one session to the backend, streams piped into each other,
// trailers passed on. It is what "a sidecar in Node" would cost without HTTP/2 of our own (docs/decisions/0001).
//
// A process of its own, started by bench/proxy.ts: `node node-http2-proxy.ts <listen port> <backend port>`, for TLS
// that demands client certificates with `<certificate> <key> <client authority>` behind it.

import { readFileSync } from "node:fs";
import {
  type ClientHttp2Session,
  connect,
  constants,
  createSecureServer,
  createServer,
  type ServerHttp2Stream,
} from "node:http2";

const [listenPort, backendPort] = process.argv.slice(2, 4).map(Number);
const [cert, key, ca] = process.argv.slice(4).map((file) => readFileSync(file));
let session: ClientHttp2Session | undefined;

function backend(): ClientHttp2Session {
  if (session === undefined || session.closed || session.destroyed) {
    session = connect(`http://127.0.0.1:${backendPort}`);
    session.on("error", () => session?.destroy());
  }
  return session;
}

const server =
  cert === undefined
    ? createServer()
    : createSecureServer({ cert, key: key!, ca: ca!, requestCert: true, minVersion: "TLSv1.3" });
server.on("stream", (stream: ServerHttp2Stream, headers) => {
  const upstream = backend().request(headers, { endStream: false });
  upstream.on("response", (response) => {
    stream.respond(response, { waitForTrailers: true });
    upstream.pipe(stream);
  });
  let trailers = {};
  upstream.on("trailers", (fields) => {
    trailers = fields;
  });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.on("error", () => upstream.close(constants.NGHTTP2_CANCEL));
  upstream.on("error", () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  stream.pipe(upstream);
});
server.listen(listenPort, "127.0.0.1");
