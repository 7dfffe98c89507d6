// What a client library in this process is asked to do in clients-through-proxy.test.ts; each library is a file beside
// this one.

export interface UnaryResult {
  /** As gRPC numbers it; 0 is OK. */
  readonly code: number;
  readonly payload: Buffer;
  /** Values of `x-echo` and `x-echo-bin` in the header and in the trailers. */
  readonly header: EchoedMetadata;
  readonly trailers: EchoedMetadata;
}

export interface EchoedMetadata {
  readonly ascii: readonly string[];
  readonly binary: readonly Buffer[];
}

export interface UnaryOptions {
  readonly ascii?: readonly string[];
  readonly binary?: readonly Buffer[];
  /** The reply waits for so many calls. */
  readonly together?: number;
}

export interface EchoCaller {
  unary(payload: Buffer, options?: UnaryOptions): Promise<UnaryResult>;
  /** Gives the reply, the SHA-256 of all in hexadecimal digits. */
  clientStream(payloads: readonly Buffer[]): Promise<string>;
  serverStream(count: number, size: number): Promise<readonly Buffer[]>;
  /** Sends the next when the last has come back. */
  pingPong(payloads: readonly Buffer[]): Promise<readonly Buffer[]>;
  /** Calls Sleep; `cancel` and the deadline end it with a code. */
  sleep(timeoutMs?: number): { cancel(): void; code: Promise<number> };
  close(): void;
}
