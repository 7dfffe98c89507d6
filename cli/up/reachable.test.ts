import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { awaitReachable } from "./reachable.ts";

const signal = new AbortController().signal;

async function openPort(): Promise<{ port: number; close: () => Promise<unknown> }> {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => new Promise((resolve) => server.close(resolve));
  return { port: (server.address() as { port: number }).port, close };
}

test("one address on which somebody listens is enough", async () => {
  const { port, close } = await openPort();
  const addresses = [
    { host: "127.0.0.1", port: 1 },
    { host: "127.0.0.1", port },
  ];
  const told: string[] = [];
  const options = { clock: systemClock, waitMs: 0, onProgress: (line: string) => told.push(line), signal };
  await awaitReachable({ name: "nats at x", addresses, advice: "" }, options);
  expect(told).toEqual([]);
  await close();
});

test("a server that comes later is waited for, and told about meanwhile", async () => {
  const first = await openPort();
  await first.close();
  const { port } = first;
  const server = createServer();
  const told: string[] = [];
  const onProgress = (line: string) => {
    told.push(line);
    server.listen(port, "127.0.0.1");
  };
  const addresses = [{ host: "127.0.0.1", port }];
  await awaitReachable({ name: "a", addresses, advice: "" }, { clock: systemClock, waitMs: 9_000, onProgress, signal });
  expect(told).toEqual(["a: connection refused; waiting 9 s more"]);
  server.close();
});

test("one that does not come is one sentence with what to do", async () => {
  const server = { name: "postgres at h/db", addresses: [{ host: "127.0.0.1", port: 1 }], advice: "start Postgres" };
  const options = { clock: systemClock, waitMs: 0, onProgress: () => {}, signal };
  await expect(awaitReachable(server, options)).rejects.toThrow(
    /^postgres at h\/db: connection refused; start Postgres$/,
  );
});
