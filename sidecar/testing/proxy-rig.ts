// What a case of the proxy suite is played on: frames in, a proxy, frames out. A case is data, so that a proxy can say
// which it does not keep.

import { type FrameName, FramePeer, fieldsOf, type PeerOptions, type SeenFrame } from "../http2/testing/frame-peer.ts";
import { FrameBackend } from "./frame-backend.ts";
import type { ProxyUnderTest, StartProxyUnderTest } from "./proxy-under-test.ts";

export interface ProxyCase {
  /** A fact about a proxy. */
  readonly title: string;
  run(open: OpenRig): Promise<void>;
}

export interface RigOptions {
  readonly client?: PeerOptions;
  readonly backend?: PeerOptions;
}

export type OpenRig = (options?: RigOptions) => Promise<ProxyRig>;

export interface ProxyRig {
  readonly port: number;
  readonly client: FramePeer;
  readonly backend: FrameBackend;
  /** The proxy's first connection to the backend. */
  readonly upstream: () => Promise<FramePeer>;
  /** Whatever a case opens besides. */
  readonly onClose: (close: () => unknown) => void;
  close(): Promise<void>;
}

export async function openRig(start: StartProxyUnderTest, options: RigOptions = {}): Promise<ProxyRig> {
  const backend = await FrameBackend.listen(() => options.backend ?? {});
  const proxy: ProxyUnderTest = await start(backend.port);
  const client = await FramePeer.connect(proxy.port, options.client);
  const closers: (() => unknown)[] = [];
  return {
    port: proxy.port,
    client,
    backend,
    upstream: () => backend.connection(0),
    onClose: (close) => closers.push(close),
    async close() {
      for (const close of closers.reverse()) await close();
      client.close();
      await backend.close();
      await proxy.close();
    },
  };
}

const message: FrameName[] = ["HEADERS", "DATA", "RST_STREAM"];

/** What comes on a stream, to its end: END_STREAM or RST_STREAM. Frames of other streams are passed over. */
export async function untilEnd(peer: FramePeer, id: number): Promise<readonly SeenFrame[]> {
  const frames: SeenFrame[] = [];
  for (;;) {
    const frame = await peer.next(...message);
    if (frame.id !== id) continue;
    frames.push(frame);
    if (frame.type === "RST_STREAM" || frame.end) return frames;
  }
}

/** Frames as `HEADERS`, `DATA(5)`, `RST_STREAM(8)`, with `+END`. */
export function shape(frames: readonly SeenFrame[]): readonly string[] {
  return frames.map(({ type, payload, code, end }) => {
    const detail = type === "DATA" ? `(${payload.length})` : type === "RST_STREAM" ? `(${code})` : "";
    return `${type}${detail}${end && type !== "RST_STREAM" ? "+END" : ""}`;
  });
}

export function bodyOf(frames: readonly SeenFrame[]): Buffer {
  return Buffer.concat(frames.filter(({ type }) => type === "DATA").map(({ payload }) => payload));
}

/** Those of `fields` (as `name: value`) that bear one of `names`, in their order. */
export function pick(fields: readonly string[], ...names: string[]): readonly string[] {
  return fields.filter((field) => names.includes(field.slice(0, field.indexOf(": ", 1))));
}

export function request(method: string, path: string, ...more: [string, string][]) {
  return fieldsOf([":method", method], [":scheme", "http"], [":path", path], [":authority", "test"], ...more);
}

/** A gRPC request's header. */
export function grpcRequest(...more: [string, string][]) {
  return request("POST", "/ferry.test.Echo/Unary", ["te", "trailers"], ["content-type", "application/grpc"], ...more);
}

export const grpcOk = fieldsOf([":status", "200"], ["content-type", "application/grpc"]);

/** One gRPC message with its prefix. */
export function grpcMessage(bytes: number): Buffer {
  const framed = Buffer.alloc(5 + bytes, 0x6d);
  framed[0] = 0;
  framed.writeUInt32BE(bytes, 1);
  return framed;
}
