import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { ForcedClose } from "../http2/limits.ts";
import type { ServerStream } from "../http2/server.ts";
import { FramePeer, fieldsOf, frame, headersFrame } from "../http2/testing/frame-peer.ts";
import { request } from "../testing/proxy-rig.ts";
import { ServedConnections } from "./served-connections.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Three clients of one listener, in the order in which they came. */
async function threeClients() {
  const reasons: string[] = [];
  const streams: ServerStream[] = [];
  const served = new ServedConnections({
    ...{ host: "127.0.0.1", port: 0, clock: systemClock },
    onRequest: (stream) => streams.push(stream),
    onForcedClose: (reason) => reasons.push(reason),
  });
  const server = createServer({ allowHalfOpen: true }, (socket) => served.take(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  const clients: FramePeer[] = [];
  for (let i = 0; i < 3; i++) {
    const client = await FramePeer.connect((server.address() as AddressInfo).port);
    await client.settled();
    closers.push(() => client.close());
    clients.push(client);
  }
  return { served, streams, reasons, clients };
}

/** Its GOAWAY's text; answers the PING behind it, upon which the second GOAWAY comes. */
async function toldToGo(client: FramePeer): Promise<string> {
  const { debug } = await client.next("GOAWAY");
  client.send(frame("PING", 1, 0, (await client.next("PING")).payload));
  await client.next("GOAWAY");
  return debug;
}

test("those with the fewest streams are told to go, once, by GOAWAY with the reason", async () => {
  const { served, reasons, clients } = await threeClients();
  const [busy, idle, other] = clients;
  for (const client of [busy!, other!]) client.send(headersFrame(1, request("GET", "/x"), { end: true }));
  await Promise.all(clients.map((client) => client.settled()));
  expect(served.retire(1, ForcedClose.REBALANCE, "another worker has fewer connections")).toBe(1);
  expect(await toldToGo(idle!)).toBe("rebalance: another worker has fewer connections");
  await idle!.closed;
  await expect.poll(() => [served.size, served.leaving]).toEqual([2, 0]);
  expect(reasons).toEqual(["rebalance"]);
});

test("a call on one that was told to go ends as it would have, and it counts as leaving until then", async () => {
  const { served, streams, clients } = await threeClients();
  for (const client of clients) client.send(headersFrame(1, request("GET", "/x"), { end: true }));
  await Promise.all(clients.map((client) => client.settled()));
  expect(served.retire(9, ForcedClose.REBALANCE, "test")).toBe(3);
  expect(served.retire(9, ForcedClose.REBALANCE, "test")).toBe(0);
  await Promise.all(clients.map(toldToGo));
  expect([served.size, served.leaving]).toEqual([3, 3]);
  for (const stream of streams) stream.respond(fieldsOf([":status", "200"]), true);
  for (const client of clients) expect((await client.next("HEADERS")).fields).toEqual([":status: 200"]);
  await expect.poll(() => [served.size, served.leaving]).toEqual([0, 0]);
});
