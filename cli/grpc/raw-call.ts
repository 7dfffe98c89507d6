// One gRPC call of any kind on bytes: the requests are pushed as they come, the replies are handed on as they arrive.
// Every kind of method is the same on the wire, so all go through grpc-js's two-way stream. grpc-js's own retries and
// its proxy detection are off: what is seen is what the mesh did.

import { Client, type ClientDuplexStream, credentials, Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { systemClock } from "../../common/clock.ts";
import { randomHex } from "../../common/random.ts";
import { type Address, formatAddress } from "../../common/settings.ts";

export interface RawCallParams {
  /** As `/quoter.query.v1.QuoteQueryService/GetQuote`. */
  readonly path: string;
  readonly requests: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly metadata: Metadata;
  /** The call's deadline, milliseconds from now; undefined for none. */
  readonly timeoutMs: number | undefined;
  /** Cancels the call; the result is then CANCELLED. */
  readonly signal?: AbortSignal | undefined;
  onHeaders?(headers: Metadata): void;
  onMessage(message: Buffer): void;
}

/** How a call ended. A failed call is a result, not an exception. */
export interface RawCallResult {
  /** By its name, as `UNAVAILABLE`. */
  readonly code: string;
  readonly message: string;
  readonly headers: Metadata;
  readonly trailers: Metadata;
  readonly ms: number;
}

/** A client without TLS; the caller closes it. `options` go to grpc-js. */
export function openClient(address: Address, options: Record<string, string | number> = {}): Client {
  return new Client(formatAddress(address), credentials.createInsecure(), {
    "grpc.enable_retries": 0,
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.max_receive_message_length": -1,
    ...options,
  });
}

const bytes = (value: Buffer): Buffer => value;

export async function rawCall(client: Client, params: RawCallParams): Promise<RawCallResult> {
  const startMs = systemClock.nowMs();
  const options = params.timeoutMs === undefined ? {} : { deadline: systemClock.wallMs() + params.timeoutMs };
  const call = client.makeBidiStreamRequest(params.path, bytes, bytes, params.metadata, options);
  let headers = new Metadata();
  const onAbort = () => call.cancel();
  params.signal?.addEventListener("abort", onAbort, { once: true });
  if (params.signal?.aborted) call.cancel();
  const ended = new Promise<StatusObject>((resolve) => {
    call.on("status", resolve);
    call.on("error", () => {}); // The status event says the same and always comes.
  });
  call.on("metadata", (received) => {
    headers = received;
    params.onHeaders?.(received);
  });
  call.on("data", (message: Buffer) => params.onMessage(message));
  // The pump may wait for input for ever (a terminal); the call's end does not wait for it.
  const pumped = pump(call, params.requests, ended);
  await Promise.race([ended, pumped]).catch((error: unknown) => {
    call.cancel();
    throw error;
  });
  const end = await ended;
  params.signal?.removeEventListener("abort", onAbort);
  return {
    code: status[end.code] ?? `CODE_${end.code}`,
    message: end.details,
    headers,
    trailers: end.metadata,
    ms: systemClock.nowMs() - startMs,
  };
}

/** Writes the requests at the peer's pace and half-closes; stops when the call has ended. */
async function pump(
  call: ClientDuplexStream<Buffer, Buffer>,
  requests: RawCallParams["requests"],
  ended: Promise<unknown>,
): Promise<void> {
  let isEnded = false;
  ended.then(() => {
    isEnded = true;
  });
  for await (const request of requests) {
    if (isEnded) return;
    const mayGoOn = call.write(Buffer.from(request.buffer, request.byteOffset, request.byteLength));
    if (!mayGoOn) await Promise.race([ended, new Promise((resolve) => call.once("drain", resolve))]);
  }
  if (!isEnded) call.end();
}

/** For questions of the tool's own: a trace that nobody records, so that they do not fill a trace store. */
export function untracedMetadata(): Metadata {
  const metadata = new Metadata();
  metadata.set("traceparent", `00-${randomHex(16)}-${randomHex(8)}-00`);
  return metadata;
}

/** Metadata as plain text: several values joined by ", ", binary ones in base64. */
export function plainMetadata(metadata: Metadata): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const name of Object.keys(metadata.getMap())) {
    plain[name] = metadata
      .get(name)
      .map((value) => (typeof value === "string" ? value : value.toString("base64")))
      .join(", ");
  }
  return plain;
}
