// `ferry proxy` as a process: its graceful end.

import { once } from "node:events";
import { connect } from "node:http2";
import { afterEach, expect, test } from "vitest";
import { type JsonObject, type Running, startFerry } from "./testing/ferry.ts";
import { startTickBackend, TickClient } from "./testing/tick-backend.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function backend(echoMs: number) {
  const started = await startTickBackend(echoMs);
  closers.push(() => started.close());
  return started;
}

async function proxy(upstreamPort: number): Promise<{ running: Running; ready: JsonObject }> {
  const upstream = `127.0.0.1:${upstreamPort}`;
  const running = startFerry(["proxy", "--listen", "127.0.0.1:0", "--upstream", upstream, "--json"]);
  closers.push(async () => {
    running.signal("SIGKILL");
    await running.exited;
  });
  return { running, ready: await running.event("ready", 30_000) };
}

test("SIGTERM under load of grpc-js: no call fails, what is under way ends whole, and it exits with 0", async () => {
  const { port, executed } = await backend(20);
  const [first, second] = [await proxy(port), await proxy(port)];
  const clients = Array.from({ length: 4 }, () => new TickClient(first.ready.listen, second.ready.listen));
  const outcomes: string[] = [];
  let isOver = false;
  const until = (count: number) =>
    new Promise<void>((resolve) => {
      const look = () => (outcomes.length >= count ? resolve() : setImmediate(look));
      look();
    });
  const workers = clients.flatMap((client, at) =>
    Array.from({ length: 10 }, async (_, worker) => {
      for (let i = 0; !isOver; i++) outcomes.push(await client.echo(`${at} ${worker} ${i}`));
    }),
  );
  // Streams that are open when the signal comes and go on for as long as they like.
  const chats = clients.map((client) => client.chat());
  for (const chat of chats) {
    chat.write(Buffer.from("before"));
    expect(String((await once(chat, "data"))[0])).toBe("before");
  }
  await until(400);

  first.running.signal("SIGTERM");
  const atSignal = outcomes.length;
  await until(atSignal + 800);
  for (const chat of chats) {
    chat.write(Buffer.from("after"));
    expect(String((await once(chat, "data"))[0])).toBe("after");
  }
  const endMs = performance.now();
  for (const chat of chats) {
    const status = once(chat, "status");
    chat.end();
    expect((await status)[0]).toMatchObject({ code: 0 });
  }
  expect(await first.running.exited).toEqual({ code: 0, signal: null });
  const tookMs = performance.now() - endMs;
  isOver = true;
  await Promise.all(workers);
  for (const client of clients) client.close();
  const failed = outcomes.filter((outcome) => outcome !== "OK");
  console.log(`${outcomes.length} calls, ${failed.length} failed; gone ${tookMs.toFixed(0)} ms after its last stream`);
  expect(failed).toEqual([]);
  expect(executed()).toBe(outcomes.length);
});

test("SIGTERM is GOAWAY(2^31-1), a PING and GOAWAY(last stream), while a stream goes on to its end", async () => {
  const { port } = await backend(0);
  const { running, ready } = await proxy(port);
  const session = connect(`http://${ready.listen}`);
  closers.push(() => session.destroy());
  const seen: string[] = [];
  session.on("goaway", (code, last) => seen.push(`GOAWAY(${last}, ${code})`));
  session.on("ping", () => seen.push("PING"));
  const stream = session.request({
    ...{ ":method": "POST", ":path": "/e2e.Ticks/Chat", "content-type": "application/grpc", te: "trailers" },
  });
  const message = Buffer.from([0, 0, 0, 0, 1, 0x61]);
  stream.write(message);
  expect((await once(stream, "data"))[0]).toEqual(message);
  running.signal("SIGTERM");
  while (seen.length < 3) await new Promise(setImmediate);
  expect(seen).toEqual([`GOAWAY(${2 ** 31 - 1}, 0)`, "PING", "GOAWAY(1, 0)"]);
  stream.write(message);
  expect((await once(stream, "data"))[0]).toEqual(message);
  const trailers = once(stream, "trailers");
  stream.end();
  expect((await trailers)[0]).toMatchObject({ "grpc-status": "0" });
  expect(await running.exited).toEqual({ code: 0, signal: null });
});
