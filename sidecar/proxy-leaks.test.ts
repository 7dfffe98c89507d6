// After any mixture of calls that go well, are refused, break off, are given up or come too late, nothing of them is
// left: no call, no count at an endpoint, no stream on a connection; and a shed limit of a few more calls still admits.

import { afterEach, expect, test } from "vitest";
import { seededRandom } from "../common/random.ts";
import { dataFrame, type FramePeer, fieldsOf, frame, headersFrame, uint32 } from "./http2/testing/frame-peer.ts";
import { grpcReply, onEachRequest } from "./testing/answering.ts";
import { FrameBackend } from "./testing/frame-backend.ts";
import { type Http2Client, openHttp2Client } from "./testing/http2-client.ts";
import { grpcMessage, grpcOk } from "./testing/proxy-rig.ts";
import { startStackProxy } from "./testing/stack-proxy.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const rst = (id: number, code: number) => frame("RST_STREAM", 0, id, uint32(code));
const goaway = (last: number) => frame("GOAWAY", 0, 0, Buffer.concat([uint32(last), uint32(0)]));

/** What a backend may make of a request, by a number from 0 to 99. */
function misbehave(peer: FramePeer, id: number, mood: number): void {
  const half = [headersFrame(id, grpcOk), dataFrame(id, grpcMessage(500).subarray(0, 300))];
  if (mood < 50) peer.send(...grpcReply(id, mood * 200));
  else if (mood < 55) peer.send(rst(id, 7));
  else if (mood < 60) peer.send(rst(id, mood - 50));
  else if (mood < 65) peer.send(headersFrame(id, [...grpcOk, ...fieldsOf(["grpc-status", "14"])], { end: true }));
  else if (mood < 70) peer.send(...half);
  else if (mood < 75) peer.send(...half, rst(id, 2));
  else if (mood < 80)
    peer.send(headersFrame(id, grpcOk), headersFrame(id, fieldsOf(["grpc-status", "9"]), { end: true }));
  else if (mood < 82) peer.socket.destroy();
  else if (mood < 84) peer.send(goaway(id), ...grpcReply(id));
  else if (mood < 86) peer.send(goaway(Math.max(0, id - 2)));
  else if (mood < 87) peer.send(Buffer.alloc(50, 0xee));
  else if (mood < 90) peer.send(headersFrame(id, grpcOk), dataFrame(id, 60_000));
  // The rest stays silent: its caller gives up or its deadline passes.
}

function callAt(client: Http2Client, mood: number): Promise<unknown> {
  const deadline = { "grpc-timeout": `${20 + mood}m` };
  if (mood < 70) return client.grpc(deadline);
  if (mood < 80) return client.call({ ":method": "GET", ":path": "/x", ...deadline });
  if (mood < 90) return client.call({ ":method": "POST", ":path": "/x", ...deadline }, Buffer.alloc(mood * 1000));
  return client.givenUp(mood % 5);
}

// Each takes three seconds: a quarter of the calls wait for a deadline of up to 120 ms in real time.
for (const seed of [1, 2]) {
  test(`1,500 calls of every fate leave nothing behind (seed ${seed})`, { timeout: 30_000 }, async () => {
    const random = seededRandom(seed);
    const mood = () => Math.floor(random() * 100);
    const play = (peer: FramePeer) => {
      peer.send(frame("WINDOW_UPDATE", 0, 0, uint32(1 << 24)));
      void onEachRequest(peer, ({ id }) => misbehave(peer, id, mood()));
    };
    const wide = () => ({ settings: [[4, 1 << 20]] as [number, number][] });
    const backends = [await FrameBackend.listen(wide, play), await FrameBackend.listen(wide, play)];
    const traits = { kind: "unary", idempotent: true } as const;
    const ports = backends.map(({ port }) => port);
    const proxy = await startStackProxy(ports, { traits, maxCallsInFlight: 60 });
    closers.push(...backends.map((backend) => () => backend.close()), () => proxy.close());
    const clients = Array.from({ length: 3 }, () => openHttp2Client(proxy.port));
    let begun = 0;
    const worker = async (client: Http2Client) => {
      while (begun++ < 1500) await callAt(client, mood());
    };
    await Promise.all(clients.flatMap((client) => Array.from({ length: 15 }, () => worker(client))));
    while (proxy.held().calls > 0) await new Promise(setImmediate);
    expect(proxy.held()).toEqual({ calls: 0, atEndpoints: 0, places: 0 });
    // Were one slot in a hundred calls lost, none would be left of sixty.
    const replies = await Promise.all(Array.from({ length: 45 }, () => clients[0]!.grpc({ "grpc-timeout": "50m" })));
    expect(replies.filter(({ failure }) => failure === "overloaded")).toEqual([]);
    for (const client of clients) client.close();
  });
}
