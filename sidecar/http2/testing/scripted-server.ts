// A listener of ours for frame tests: keeps the requests that reach the handler and the reasons of forced closes.

import { TestingClock } from "../../../common/testing-clock.ts";
import { type Listening, type ListenOptions, listenHttp2 } from "../../transport/listen.ts";
import type { BodySink, BodySource } from "../body.ts";
import type { ErrorCode, StreamError } from "../error-code.ts";
import type { HeaderFields } from "../header-field.ts";
import type { ServerStream } from "../server.ts";

export interface ScriptedServer {
  readonly port: number;
  readonly clock: TestingClock;
  readonly listening: Listening;
  readonly requests: ServerStream[];
  readonly forcedCloses: string[];
  /** Reasons for which streams were refused or reset by a limit. */
  readonly refusals: string[];
}

/** Handles each request by `handler` after it has been noted. Its time stands still until a test moves it. */
export async function scriptedServer(
  handler: (stream: ServerStream) => void = () => {},
  options: Partial<ListenOptions> = {},
): Promise<ScriptedServer> {
  const clock = new TestingClock();
  const requests: ServerStream[] = [];
  const forcedCloses: string[] = [];
  const refusals: string[] = [];
  const listening = await listenHttp2({
    host: "127.0.0.1",
    port: 0,
    clock,
    onForcedClose: (reason) => forcedCloses.push(reason),
    onRefused: (reason) => refusals.push(reason),
    onRequest(stream) {
      requests.push(stream);
      handler(stream);
    },
    ...options,
  });
  return { port: listening.port, clock, listening, requests, forcedCloses, refusals };
}

/** A body that a test pushes; notes what is granted and whether it was cancelled. */
export class ScriptedBody implements BodySource {
  sink: BodySink | undefined = undefined;
  granted = 0;
  cancelled: ErrorCode | undefined = undefined;

  attach(sink: BodySink): void {
    this.sink = sink;
  }

  grant(bytes: number): void {
    this.granted += bytes;
  }

  cancel(code: ErrorCode): void {
    this.cancelled = code;
  }

  push(bytes: number | string, end = false): void {
    this.sink?.data(typeof bytes === "string" ? Buffer.from(bytes) : Buffer.alloc(bytes, 0x62), end);
  }
}

/** A sink that notes what it is given, and grants it back at once unless told otherwise. */
export class RecordingSink implements BodySink {
  bytes = 0;
  text = "";
  hasEnded = false;
  trailerFields: HeaderFields | undefined = undefined;
  error: StreamError | undefined = undefined;
  readonly #granting: BodySource | undefined;

  constructor(granting?: BodySource) {
    this.#granting = granting;
  }

  data(chunk: Buffer, end: boolean): void {
    this.bytes += chunk.length;
    if (this.text.length < 1000) this.text += chunk.toString("latin1");
    this.hasEnded = end;
    this.#granting?.grant(chunk.length);
  }

  trailers(fields: HeaderFields): void {
    this.trailerFields = fields;
    this.hasEnded = true;
  }

  abort(error: StreamError): void {
    this.error = error;
  }
}
