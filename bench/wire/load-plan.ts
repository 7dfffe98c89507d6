// What the benchmark's own load generator is told, and what it says. Shared by load.ts (the process) and those who
// start it.

import type { StreamOrder } from "./message.ts";
import type { HeaderKind } from "./request-blocks.ts";

export interface LoadPlan {
  readonly port: number;
  readonly connections: number;
  /** Calls under way on each connection, at the most. */
  readonly streams: number;
  readonly requests: number;
  /** Of these, the first so many count for everything but latency: the load itself is compiled by them. */
  readonly uncounted: number;
  /** The request's method path. */
  readonly path: string;
  /** Of each request's message, gRPC prefix included. */
  readonly messageBytes: number;
  /** Each call is answered by a stream; undefined: by an echo. */
  readonly reply: StreamOrder | undefined;
  readonly headers: HeaderKind;
  /** Calls due per second, evenly, whatever became of those before; 0: each as soon as another has ended. */
  readonly ratePerSecond: number;
  /** TLS 1.3 with a certificate of our own; undefined: plaintext. */
  readonly tls: LoadTls | undefined;
}

/** PEM files. */
export interface LoadTls {
  /** The authority that has signed the server's certificate, which is for `localhost`. */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface LoadFigures {
  readonly seconds: number;
  readonly rps: number;
  /** Calls that ended with trailers and got all the octets that they should. */
  readonly answered: number;
  readonly errors: number;
  /** The first error, in words; empty when there was none. */
  readonly error: string;
  /** Payload octets received per second. */
  readonly bytesPerSecond: number;
  /** From when a call was begun, or with a rate was due, to its end; microseconds. */
  readonly p50Us: number;
  readonly p99Us: number;
}
