// One gRPC call by plain node:http2, for tests of what the mesh does when the client library does not do it first.

import { connect, constants } from "node:http2";

export interface RawReply {
  /** From the trailers, or from a Trailers-Only header. */
  readonly grpcStatus: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
  readonly ms: number;
}

/** A connection whose `call` sends one message and waits for the end; nothing of it knows deadlines. */
export async function openRawHttp2(address: string): Promise<{
  call(path: string, message: Buffer, headers: Record<string, string>): Promise<RawReply>;
  close(): void;
}> {
  const session = connect(`http://${address}`);
  await new Promise((resolve, reject) => session.once("remoteSettings", resolve).once("error", reject));
  return {
    close: () => session.destroy(),
    call: (path, message, headers) =>
      new Promise((resolve, reject) => {
        const startMs = performance.now();
        const stream = session.request({
          ":method": "POST",
          ":path": path,
          "content-type": "application/grpc",
          te: "trailers",
          ...headers,
        });
        const fields: Record<string, string> = {};
        const take = (received: object) => {
          for (const [name, value] of Object.entries(received)) fields[name] = String(value);
        };
        stream.on("response", take);
        stream.on("trailers", take);
        stream.on("error", reject);
        stream.on("close", () => {
          if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) fields.reset = `${stream.rstCode}`;
          resolve({ grpcStatus: fields["grpc-status"], fields, ms: performance.now() - startMs });
        });
        stream.resume();
        const head = Buffer.alloc(5);
        head.writeUInt32BE(message.length, 1);
        stream.end(Buffer.concat([head, message]));
      }),
  };
}
