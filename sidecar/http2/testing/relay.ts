// The smallest proxy there is: every request goes to one upstream, with nothing between the two streams. For tests of
// the HTTP/2 layer against real peers, and for measuring it alone. Not part of the product.
//
//   node sidecar/http2/testing/relay.ts <listen port> <upstream port>

import { systemClock } from "../../../common/clock.ts";
import { plaintextDialer } from "../../transport/dial.ts";
import { type Listening, type ListenOptions, listenHttp2 } from "../../transport/listen.ts";
import { Pool } from "../../transport/pool.ts";
import type { BodySource } from "../body.ts";
import type { ClientStream, ReplyListener } from "../client.ts";
import { ErrorCode, type StreamError } from "../error-code.ts";
import type { HeaderFields } from "../header-field.ts";
import type { Limits } from "../limits.ts";
import type { ServerStream } from "../server.ts";

export interface Relay {
  readonly port: number;
  readonly listening: Listening;
  readonly pool: Pool;
  close(): Promise<void>;
}

/** Relays from `listenPort` (0: any) to `upstreamPort`, both on loopback. */
export async function startRelay(
  listenPort: number,
  upstreamPort: number,
  options: Partial<ListenOptions> = {},
  upstreamLimits: Partial<Limits> = {},
): Promise<Relay> {
  const pool = new Pool({ dial: plaintextDialer(systemClock, { limits: upstreamLimits }), clock: systemClock });
  const listening = await listenHttp2({
    host: "127.0.0.1",
    port: listenPort,
    clock: systemClock,
    onRequest: (stream) => new RelayedCall(stream).start(pool, upstreamPort),
    ...options,
  });
  return {
    port: listening.port,
    listening,
    pool,
    async close() {
      await listening.drain(100);
      await pool.close();
    },
  };
}

class RelayedCall implements ReplyListener {
  readonly #stream: ServerStream;
  #hasHead = false;

  constructor(stream: ServerStream) {
    this.#stream = stream;
  }

  start(pool: Pool, port: number): void {
    const stream = this.#stream;
    const body = stream.endsWithHead ? undefined : stream.request;
    const upstream: ClientStream = pool.request("127.0.0.1", port, 1000, stream.fields, body, this);
    stream.onAbort(() => upstream.cancel(ErrorCode.CANCEL));
  }

  head(fields: HeaderFields, end: boolean, body: BodySource): void {
    this.#hasHead = true;
    this.#stream.respond(fields, end);
    if (!end) this.#stream.sendBody(body);
  }

  failed(error: StreamError): void {
    this.#stream.reset(error.neverProcessed ? ErrorCode.REFUSED_STREAM : ErrorCode.INTERNAL_ERROR);
  }

  ended(_trailers: HeaderFields | undefined, error: StreamError | undefined): void {
    if (error !== undefined && !this.#hasHead) this.#stream.reset(ErrorCode.INTERNAL_ERROR);
  }
}

if (import.meta.main) {
  const [listenPort, upstreamPort] = process.argv.slice(2).map(Number);
  const relay = await startRelay(listenPort ?? 0, upstreamPort ?? 0);
  console.log(JSON.stringify({ event: "ready", port: relay.port }));
  process.once("SIGINT", () => process.exit(0));
}
