// Calls with generated types and no retries of its own, so that what a test sees is what the mesh did.

import {
  create,
  type DescMessage,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type StatusObject, status } from "@grpc/grpc-js";

export interface CallResult<O> {
  readonly code: string;
  readonly message: string;
  readonly reply: O | undefined;
  readonly headers: Metadata;
  readonly trailers: Metadata;
  readonly ms: number;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const bytes = (value: Buffer): Buffer => value;

export class GrpcClient {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      "grpc.enable_retries": 0,
      "grpc.enable_http_proxy": 0,
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  close(): void {
    this.#client.close();
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<CallResult<MessageShape<O>>> {
    return this.#call(method, [request], options);
  }

  clientStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodClientStreaming<I, O>,
    requests: readonly MessageInitShape<I>[],
    options: CallOptions = {},
  ): Promise<CallResult<MessageShape<O>>> {
    return this.#call(method, requests, options);
  }

  /** Replies as they come, until `stop` is called; `ended` tells the status. */
  watch<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    onMessage: (message: MessageShape<O>) => void,
  ): { stop: () => void; started: Promise<void>; ended: Promise<StatusObject> } {
    const call = this.#open(method, {});
    const started = new Promise<void>((resolve) => call.once("metadata", () => resolve()));
    const ended = new Promise<StatusObject>((resolve) => call.on("status", resolve));
    call.on("error", () => {});
    call.on("data", (data: Buffer) => onMessage(fromBinary(method.output, data)));
    call.end(encode(method.input, request));
    return { started, ended, stop: () => call.cancel() };
  }

  /** Bytes in and out, for services that are not ours. */
  async raw(path: string, request: Uint8Array, options: CallOptions = {}): Promise<CallResult<Buffer>> {
    return this.#finish(path, [Buffer.from(request)], options, (data) => data);
  }

  #call<I extends DescMessage, O extends DescMessage>(
    method: { input: I; output: O; name: string; parent: { typeName: string } },
    requests: readonly MessageInitShape<I>[],
    options: CallOptions,
  ): Promise<CallResult<MessageShape<O>>> {
    const messages = requests.map((request) => encode(method.input, request));
    return this.#finish(pathOf(method), messages, options, (data) => fromBinary(method.output, data));
  }

  #open(method: { name: string; parent: { typeName: string } } | string, options: CallOptions) {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(options.headers ?? {})) metadata.set(name, value);
    const deadline = options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
    const path = typeof method === "string" ? method : pathOf(method);
    return this.#client.makeBidiStreamRequest(path, bytes, bytes, metadata, deadline);
  }

  #finish<T>(
    path: string,
    requests: readonly Buffer[],
    options: CallOptions,
    decode: (data: Buffer) => T,
  ): Promise<CallResult<T>> {
    return new Promise((resolve) => {
      const startMs = performance.now();
      const call = this.#open(path, options);
      let headers = new Metadata();
      let reply: T | undefined;
      call.on("metadata", (received) => {
        headers = received;
      });
      call.on("data", (data: Buffer) => {
        reply = decode(data);
      });
      call.on("error", () => {});
      call.on("status", ({ code, details, metadata }) => {
        const ms = performance.now() - startMs;
        resolve({ code: status[code] ?? `${code}`, message: details, reply, headers, trailers: metadata, ms });
      });
      for (const request of requests) call.write(request);
      call.end();
    });
  }
}

function encode<I extends DescMessage>(input: I, request: MessageInitShape<I>): Buffer {
  return Buffer.from(toBinary(input, create(input, request)));
}

function pathOf(method: { name: string; parent: { typeName: string } }): string {
  return `/${method.parent.typeName}/${method.name}`;
}
