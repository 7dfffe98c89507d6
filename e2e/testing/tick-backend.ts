// A gRPC backend in the test's own process, without a schema: Echo answers after a while, Ticks streams and ends when
// it is told to, so that a test can have calls under way for as long as it wants.

import {
  Client,
  type ClientDuplexStream,
  credentials,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";

const bytes = (value: Buffer): Buffer => value;

function method(path: string, isStream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    ...{ path: `/e2e.Ticks/${path}`, requestStream: isStream, responseStream: isStream },
    ...{ requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes },
  };
}

const methods = { echo: method("Echo", false), chat: method("Chat", true) };

export interface TickBackend {
  readonly port: number;
  /** Calls of Echo that were executed. */
  readonly executed: () => number;
  close(): void;
}

/** Echo answers its request after `echoMs`; Chat answers each message at once and ends with its caller. */
export async function startTickBackend(echoMs: number): Promise<TickBackend> {
  let executed = 0;
  const server = new Server({ "grpc.max_concurrent_streams": 1000 });
  server.addService(methods, {
    echo(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
      executed++;
      setTimeout(() => callback(null, call.request), echoMs);
    },
    chat(call: ServerDuplexStream<Buffer, Buffer>) {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, executed: () => executed, close: () => server.forceShutdown() };
}

/**
 * A grpc-js client as people use it: one channel to several addresses, in this order, with its defaults. The
 * transparent retry is among them: a call that is begun while GOAWAYs are under way may be one that the second says
 * was not taken.
 */
export class TickClient {
  readonly #client: Client;

  constructor(...addresses: string[]) {
    this.#client = new Client(`ipv4:${addresses.join(",")}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.initial_reconnect_backoff_ms": 100,
    });
  }

  /** Resolves with `OK` or with what went wrong. */
  echo(text: string): Promise<string> {
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(methods.echo.path, bytes, bytes, Buffer.from(text), (error, reply) => {
        if (error !== null) resolve(`${error.code} ${error.details}`);
        else resolve(reply?.toString() === text ? "OK" : `answer to another call: ${reply}`);
      });
    });
  }

  chat(): ClientDuplexStream<Buffer, Buffer> {
    return this.#client.makeBidiStreamRequest(methods.chat.path, bytes, bytes);
  }

  close(): void {
    this.#client.close();
  }
}
