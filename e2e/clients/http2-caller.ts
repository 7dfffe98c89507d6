// node:http2 as a client of echo.proto: gRPC's framing by hand, with one connection of its own.

import { once } from "node:events";
import { type ClientHttp2Stream, connect, constants, type IncomingHttpHeaders } from "node:http2";
import { decodeBytes, encodeBytes } from "./echo-backend.ts";
import type { EchoCaller, EchoedMetadata, UnaryOptions } from "./echo-caller.ts";

/** Messages as they come, and how the call ended. */
class Call {
  readonly stream: ClientHttp2Stream;
  readonly messages: Buffer[] = [];
  header: IncomingHttpHeaders = {};
  trailers: IncomingHttpHeaders = {};
  readonly ended: Promise<void>;
  #input: Buffer = Buffer.alloc(0);
  #wake = () => {};

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;
    stream.on("response", (fields) => {
      this.header = fields;
      if (fields["grpc-status"] !== undefined) this.trailers = fields;
    });
    stream.on("trailers", (fields) => {
      this.trailers = fields;
    });
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("error", () => {});
    this.ended = once(stream, "close").then(() => this.#wake());
  }

  get code(): number {
    return Number(this.trailers["grpc-status"] ?? -1);
  }

  send(payload: Buffer): void {
    const message = encodeBytes(payload);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    this.stream.write(Buffer.concat([head, message]));
  }

  async message(count: number): Promise<void> {
    while (this.messages.length < count && !this.stream.destroyed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #read(chunk: Buffer): void {
    this.#input = Buffer.concat([this.#input, chunk]);
    while (this.#input.length >= 5 && this.#input.length >= 5 + this.#input.readUInt32BE(1)) {
      const stop = 5 + this.#input.readUInt32BE(1);
      this.messages.push(decodeBytes(this.#input.subarray(5, stop)));
      this.#input = this.#input.subarray(stop);
    }
    this.#wake();
  }
}

export function http2Caller(port: number): EchoCaller {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  const open = (name: string, fields: Record<string, string | string[]> = {}) =>
    new Call(
      session.request({
        ...{ ":method": "POST", ":path": `/e2e.echo.Echo/${name}`, te: "trailers" },
        ...{ "content-type": "application/grpc", ...fields },
      }),
    );
  const send = async (call: Call, payloads: readonly Buffer[]) => {
    for (const payload of payloads) call.send(payload);
    call.stream.end();
    await call.ended;
    return call.messages;
  };
  return {
    async unary(payload, options = {}) {
      const call = open("Unary", fieldsOf(options));
      const messages = await send(call, [payload]);
      const { code, header, trailers } = call;
      return { code, payload: Buffer.concat(messages), header: echoedIn(header), trailers: echoedIn(trailers) };
    },
    clientStream: async (payloads) => String((await send(open("ClientStream"), payloads))[0]),
    serverStream: (count, size) => send(open("ServerStream"), [Buffer.from(`${count},${size}`)]),
    async pingPong(payloads) {
      const call = open("Duplex");
      for (const [i, payload] of payloads.entries()) {
        call.send(payload);
        await call.message(i + 1);
      }
      return send(call, []);
    },
    sleep(timeoutMs) {
      const call = open("Sleep", timeoutMs === undefined ? {} : { "grpc-timeout": `${timeoutMs}m` });
      call.send(Buffer.from("z"));
      call.stream.end();
      // A stream that its caller reset has no status; gRPC's word for that is CANCELLED.
      const code = call.ended.then(() => (call.stream.rstCode === constants.NGHTTP2_CANCEL ? 1 : call.code));
      return { cancel: () => call.stream.close(constants.NGHTTP2_CANCEL), code };
    },
    close: () => session.destroy(),
  };
}

function fieldsOf({ ascii = [], binary = [], together }: UnaryOptions): Record<string, string | string[]> {
  return {
    ...(ascii.length > 0 && { "x-echo": [...ascii] }),
    ...(binary.length > 0 && { "x-echo-bin": binary.map((value) => value.toString("base64")) }),
    ...(together !== undefined && { "x-together": `${together}` }),
  };
}

function echoedIn(fields: IncomingHttpHeaders): EchoedMetadata {
  const split = (name: string) =>
    String(fields[name] ?? "")
      .split(/, ?/)
      .filter((value) => value !== "");
  return { ascii: split("x-echo"), binary: split("x-echo-bin").map((value) => Buffer.from(value, "base64")) };
}
