// What of a reply waits on the wire, packet by packet: a header that is alone waits where another try could still
// replace it, and nowhere else. docs/decisions/0005.

import { afterEach, expect, test } from "vitest";
import { dataFrame, FramePeer, fieldsOf, headersFrame } from "./http2/testing/frame-peer.ts";
import type { MethodTraits } from "./routing/snapshot.ts";
import { grpcReply, onEachRequest } from "./testing/answering.ts";
import { FrameBackend } from "./testing/frame-backend.ts";
import { openHttp2Client } from "./testing/http2-client.ts";
import { grpcMessage, grpcOk, grpcRequest } from "./testing/proxy-rig.ts";
import { startStackProxy } from "./testing/stack-proxy.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function backendThat(serve: (peer: FramePeer) => Promise<unknown>) {
  const backend = await FrameBackend.listen(undefined, (peer) => void serve(peer));
  closers.push(() => backend.close());
  return backend;
}

async function proxyTo(backends: readonly FrameBackend[], traits: MethodTraits) {
  const proxy = await startStackProxy(
    backends.map(({ port }) => port),
    { traits },
  );
  closers.push(() => proxy.close());
  return proxy.port;
}

const unary = { kind: "unary", idempotent: true } as const;
const unavailable = fieldsOf(["grpc-status", "14"]);

test("a status that comes in a packet of its own behind the header is retried elsewhere", async () => {
  const bad = await backendThat((peer) =>
    onEachRequest(peer, ({ id }) => {
      peer.send(headersFrame(id, grpcOk));
      // Once the proxy has read it.
      void peer.delivered().then(() => peer.send(headersFrame(id, unavailable, { end: true })));
    }),
  );
  const good = await backendThat((peer) => onEachRequest(peer, ({ id }) => peer.send(...grpcReply(id))));
  const client = openHttp2Client(await proxyTo([bad, good], unary));
  closers.push(() => client.close());
  expect(await client.grpc()).toMatchObject({ grpcStatus: "0", attempts: "2" });
});

test("a stream's header goes out alone, of a silent server and to a caller who still writes", async () => {
  for (const kind of ["server_streaming", "bidi_streaming"] as const) {
    const backend = await backendThat(async (peer) => {
      const { id } = await peer.next("HEADERS");
      peer.send(headersFrame(id, grpcOk));
    });
    const client = await FramePeer.connect(await proxyTo([backend], { kind, idempotent: true }));
    closers.push(() => client.close());
    const isOpen = kind === "bidi_streaming";
    client.send(headersFrame(1, grpcRequest()), dataFrame(1, grpcMessage(4), !isOpen));
    expect((await client.next("HEADERS")).fields).toContain(":status: 200");
  }
});
