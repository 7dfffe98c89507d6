// A gRPC service with one method of each kind on grpc-js, for tests against real peers: bytes in, bytes out, without a
// schema. Its handlers do what the request's metadata says.

import {
  Client,
  credentials,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";

const bytes = (value: Buffer) => value;

function method(path: string, requestStream: boolean, responseStream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/ferry.test.Echo/${path}`,
    requestStream,
    responseStream,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
}

export const echoMethods = {
  unary: method("Unary", false, false),
  clientStream: method("ClientStream", true, false),
  serverStream: method("ServerStream", false, true),
  duplex: method("Duplex", true, true),
};

export interface EchoServer {
  readonly port: number;
  /** Calls that began, and calls that were cancelled. */
  readonly seen: { calls: number; cancelled: number };
  close(): void;
}

/**
 * Unary: the request; `x-fail: <code>` fails with that code, `x-sleep` never answers. ClientStream: the number of
 * octets received. ServerStream: the request's text is `count,size`. Duplex: echoes. All send `x-echo-bin`
 * back as a trailer.
 */
export async function startEchoServer(): Promise<EchoServer> {
  const seen = { calls: 0, cancelled: 0 };
  const server = new Server({
    "grpc.max_receive_message_length": -1,
    "grpc.max_concurrent_streams": 2000,
  });
  const trailersOf = (metadata: Metadata) => {
    const trailers = new Metadata();
    for (const value of metadata.get("x-echo-bin")) trailers.add("x-echo-bin", value);
    return trailers;
  };
  const begin = (call: { on(event: "cancelled", listener: () => void): unknown }) => {
    seen.calls++;
    call.on("cancelled", () => seen.cancelled++);
  };
  server.addService(echoMethods, {
    unary(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
      begin(call);
      const fail = call.metadata.get("x-fail")[0];
      if (call.metadata.get("x-sleep").length > 0) return;
      if (fail !== undefined) callback({ code: Number(fail), details: "as asked: ü" });
      else callback(null, call.request, trailersOf(call.metadata));
    },
    clientStream(call: ServerReadableStream<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
      begin(call);
      let total = 0;
      call.on("data", (chunk: Buffer) => {
        total += chunk.length;
      });
      call.on("end", () => callback(null, Buffer.from(String(total)), trailersOf(call.metadata)));
    },
    serverStream(call: ServerWritableStream<Buffer, Buffer>) {
      begin(call);
      const [count = 0, size = 0] = call.request.toString().split(",").map(Number);
      for (let i = 0; i < count; i++) call.write(Buffer.alloc(size, i));
      call.end(trailersOf(call.metadata));
    },
    duplex(call: ServerDuplexStream<Buffer, Buffer>) {
      begin(call);
      call.on("data", (chunk: Buffer) => call.write(chunk));
      call.on("end", () => call.end(trailersOf(call.metadata)));
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, seen, close: () => server.forceShutdown() };
}

/** A grpc-js client of the echo service behind `port`, with a connection of its own. */
export class EchoClient {
  readonly #client: Client;

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  unary(request: Buffer, metadata = new Metadata()): Promise<{ reply: Buffer; trailers: Metadata }> {
    return new Promise((resolve, reject) => {
      let reply: Buffer;
      const call = this.#client.makeUnaryRequest(
        echoMethods.unary.path,
        bytes,
        bytes,
        request,
        metadata,
        (error, value) => {
          if (error !== null) reject(error);
          else reply = value ?? Buffer.alloc(0);
        },
      );
      call.on("status", (status) => {
        if (status.code === 0) setImmediate(() => resolve({ reply, trailers: status.metadata }));
      });
    });
  }

  clientStream(chunks: Iterable<Buffer>): Promise<number> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeClientStreamRequest(echoMethods.clientStream.path, bytes, bytes, (error, value) =>
        error === null ? resolve(Number(value?.toString())) : reject(error),
      );
      for (const chunk of chunks) call.write(chunk);
      call.end();
    });
  }

  /** Resolves with the octets of each message. */
  serverStream(count: number, size: number): Promise<number[]> {
    return new Promise((resolve, reject) => {
      const sizes: number[] = [];
      const call = this.#client.makeServerStreamRequest(
        echoMethods.serverStream.path,
        bytes,
        bytes,
        Buffer.from(`${count},${size}`),
      );
      call.on("data", (chunk: Buffer) => {
        if (chunk.every((octet) => octet === (sizes.length & 0xff))) sizes.push(chunk.length);
      });
      call.on("error", reject);
      call.on("end", () => resolve(sizes));
    });
  }

  duplex() {
    return this.#client.makeBidiStreamRequest(echoMethods.duplex.path, bytes, bytes);
  }

  /** A call that the server never answers, to be cancelled. */
  sleeping(): { cancel(): void; ended: Promise<number> } {
    const metadata = new Metadata();
    metadata.set("x-sleep", "1");
    let cancel = () => {};
    const ended = new Promise<number>((resolve) => {
      const call = this.#client.makeUnaryRequest(
        echoMethods.unary.path,
        bytes,
        bytes,
        Buffer.alloc(1),
        metadata,
        (error) => resolve(error?.code ?? 0),
      );
      cancel = () => call.cancel();
    });
    return { cancel: () => cancel(), ended };
  }

  close(): void {
    this.#client.close();
  }
}
