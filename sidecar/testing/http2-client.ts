// A client on node:http2 for tests that have many calls under way; what it sends and reads is plain HTTP/2.

import { type ClientHttp2Session, connect, constants, type Settings } from "node:http2";

export interface Exchange {
  /** `:status`; 0 when no response came. */
  readonly httpStatus: number;
  /** Of trailers or header. */
  readonly grpcStatus: string | undefined;
  /** x-ferry-failure, of trailers or header. */
  readonly failure: string | undefined;
  readonly attempts: string | undefined;
  /** Of header and trailers. */
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The code of the RST_STREAM that ended it; 0 for a regular end. */
  readonly rstCode: number;
}

export interface Http2Client {
  /** Ends when the stream is closed; never rejects. */
  call(headers: Record<string, string>, body?: Buffer): Promise<Exchange>;
  /** A call of gRPC to `/ferry.test.Echo/Unary` with one message of 3 octets. */
  grpc(headers?: Record<string, string>): Promise<Exchange>;
  /** A call of gRPC that is reset with CANCEL so many milliseconds after it began. */
  givenUp(afterMs: number): Promise<Exchange>;
  close(): void;
}

/** `settings`: what the client announces. */
export function openHttp2Client(port: number, settings: Settings = {}): Http2Client {
  const session = connect(`http://127.0.0.1:${port}`, { settings, maxSendHeaderBlockLength: 131_072 });
  session.on("error", () => {});
  return {
    call: (headers, body) => exchange(session, headers, body),
    grpc: (headers = {}) => exchange(session, { ...grpcHeaders, ...headers }, grpcBody),
    givenUp: (afterMs) => exchange(session, grpcHeaders, grpcBody, afterMs),
    close: () => session.destroy(),
  };
}

const grpcHeaders = {
  ...{ ":method": "POST", ":path": "/ferry.test.Echo/Unary", "content-type": "application/grpc", te: "trailers" },
};
const grpcBody = Buffer.from([0, 0, 0, 0, 3, 1, 2, 3]);

function exchange(
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body?: Buffer,
  giveUpMs?: number,
): Promise<Exchange> {
  return new Promise((resolve) => {
    const stream = session.request(headers, { endStream: body === undefined });
    const fields: Record<string, string> = {};
    const chunks: Buffer[] = [];
    const take = (received: object) => {
      for (const [name, value] of Object.entries(received)) fields[name] = String(value);
    };
    stream.on("response", take);
    stream.on("trailers", take);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.on("close", () =>
      resolve({
        httpStatus: Number(fields[":status"] ?? 0),
        grpcStatus: fields["grpc-status"],
        failure: fields["x-ferry-failure"],
        attempts: fields["x-ferry-attempts"],
        fields,
        body: Buffer.concat(chunks),
        rstCode: stream.rstCode ?? 0,
      }),
    );
    if (body !== undefined) stream.end(body);
    if (giveUpMs !== undefined) setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), giveUpMs);
  });
}
