// What a new user does, typed as a new user would: `npm start`, the calls of the README by `npx ferry call` and by the
// real grpcurl, Ctrl-C.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./testing/eventually.ts";
import { ferry, Running, runToEnd, startFerry } from "./testing/ferry.ts";
import { takePort } from "./testing/free-port.ts";
import { makeHome, type TestHome } from "./testing/home.ts";
import { command, queryV1, queryV2 } from "./testing/quoter-services.ts";
import { findGrpcurl } from "./testing/tools.ts";

let home: TestHome;
let gateway: string;
let start: Running;

beforeAll(async () => {
  home = makeHome();
  // A port of our own, so that the test does not need 8080; everything else is the default.
  const { port, release } = await takePort();
  gateway = `127.0.0.1:${port}`;
  await release();
  start = new Running("npm", ["start", "--silent", "--", "--gateway", gateway], { home: home.path, detached: true });
  await start.waitFor((line) => (line.startsWith("Ctrl-C drains") ? line : undefined), 90_000);
});
afterAll(async () => {
  start?.signal("SIGTERM");
  await start?.exited;
  home?.remove();
});

const npx = (...args: string[]) => runToEnd("npx", ["ferry", ...args], { home: home.path });
const call = (method: string, request: unknown = {}, ...options: string[]) =>
  ferry(["call", method, JSON.stringify(request), "--json", ...options], { home: home.path });
const grpcurl = (...args: string[]) => runToEnd(findGrpcurl(), ["-plaintext", ...args], { home: home.path });

test("npm start says what runs where, how long it took, and three calls to try", async () => {
  const output = start.lines.join("\n");
  for (const name of [
    "quote-command-1",
    "quote-command-2",
    "quote-query-v1-1",
    "quote-query-v1-2",
    "quote-query-v2-1",
  ]) {
    expect(output).toMatch(new RegExp(`${name} +pid \\d+ +listens on 127\\.0\\.0\\.1:\\d+`));
    expect(output).toMatch(new RegExp(`${name}-sidecar +pid \\d+ +listens on 127\\.0\\.0\\.1:\\d+`));
  }
  expect(output).toMatch(/quote-projector-v1 +pid \d+/);
  expect(output).toContain(`gateway`);
  expect(output.match(/npx ferry call .*quoter\./g)).toHaveLength(3);
});

test("ferry status shows every instance as passing, both read models, and exits with 0", async () => {
  const { code, json } = await ferry(["status", "--json"], { home: home.path });
  expect(json?.troubles).toEqual([]);
  expect(code).toBe(0);
  const instances = json?.services.flatMap((service: { instances: unknown[] }) => service.instances);
  expect(instances).toHaveLength(5);
  for (const instance of instances) {
    expect(instance).toMatchObject({ health: "passing", inbound: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    expect(instance.pid).toBeGreaterThan(0);
    expect(instance.sidecarPid).toBeGreaterThan(0);
  }
  expect(json?.readModels.map(({ name }: { name: string }) => name)).toEqual(["quotes-v1", "quotes-v2"]);
  expect(json?.config).toMatchObject({ hash: expect.stringMatching(/^[0-9a-f]{8,}$/), rejected: [] });
  expect(json?.gateway).toMatchObject({ address: gateway, health: "SERVING" });
});

describe("through the gateway", () => {
  let quoteId: string;
  let position: string;

  test("npx ferry call submits a quote and reads its own write by id, at random and in the list", async () => {
    const submitted = await npx("call", `${command}/SubmitQuote`, '{"text":"Hic Rhodus, hic salta.","author":"Aesop"}');
    expect(submitted.code, submitted.stderr).toBe(0);
    ({ quoteId, position } = JSON.parse(submitted.stdout));
    const quote = expect.objectContaining({ quoteId, text: "Hic Rhodus, hic salta.", author: "Aesop" });
    const got = await call(`${queryV1}/GetQuote`, { quoteId, minPosition: position });
    expect(got.json).toMatchObject({ ok: true, code: "OK", attempts: 1, failure: null, messages: [{ quote }] });
    expect(got.json?.headers).toMatchObject({
      "x-quoter-version": expect.stringMatching(/^v[12]$/),
      "x-quoter-instance": expect.stringMatching(/^quote-query-/),
    });
    const random = await call(`${queryV1}/GetRandomQuote`, { minPosition: position });
    expect(random.json).toMatchObject({ code: "OK", messages: [{ quote }] });
    const listed = await call(`${queryV2}/ListQuotes`, { minPosition: position });
    expect(listed.json?.messages[0].quotes).toEqual([quote]);
    expect(listed.json?.headers["x-quoter-version"]).toBe("v2");
  });

  test("the same command id gives the same quote; without an id every call is a new command", async () => {
    const request = { commandId: "journey-1", text: "Twice?", author: "Nobody" };
    const first = await call(`${command}/SubmitQuote`, request);
    const second = await call(`${command}/SubmitQuote`, request);
    expect(second.json?.messages).toEqual(first.json?.messages);
    const { commandId: _, ...without } = request;
    const third = await call(`${command}/SubmitQuote`, without);
    expect(third.json?.messages[0].quoteId).not.toBe(first.json?.messages[0].quoteId);
  });

  test("a refused request names the field, and a missing quote is NOT_FOUND with exit code 1", async () => {
    const empty = await call(`${command}/SubmitQuote`, { text: "", author: "Nobody" });
    expect(empty).toMatchObject({ code: 1, json: { code: "INVALID_ARGUMENT", failure: null } });
    expect(empty.json?.message).toContain("text");
    const missing = await call(`${queryV1}/GetQuote`, { quoteId: "no-such-quote" });
    expect(missing).toMatchObject({ code: 1, json: { code: "NOT_FOUND" } });
  });

  test("a path without a route is explained by Ferry", async () => {
    const { code, stdout, stderr } = await grpcurl("-d", "{}", gateway, "no.such.Service/Method");
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain("no.such.Service");
  });

  test("WatchQuotes shows a new quote in less than a second", async () => {
    const watch = startFerry(["call", `${queryV1}/WatchQuotes`, "{}", "-v"], { home: home.path });
    try {
      // -v shows the reply's header, which comes as soon as the watch stands.
      await eventually("the watch stands", 20_000, async () =>
        watch.stderr.includes("< x-quoter-") ? true : undefined,
      );
      const submitted = await call(`${command}/SubmitQuote`, { text: "Now you see me.", author: "A watcher" });
      const submittedMs = Date.now();
      const id = submitted.json?.messages[0].quoteId;
      await watch.waitFor((line) => (line.includes(id) ? line : undefined), 5000);
      // Counted from the end of `ferry call`, which itself takes longer than the call.
      expect(Date.now() - submittedMs).toBeLessThan(1000);
    } finally {
      watch.signal("SIGINT");
    }
    expect(await watch.exited, watch.stderr).toMatchObject({ code: 0 });
  });

  test("-v shows metadata, attempts and timing on stderr", async () => {
    const { stderr } = await npx("call", `${queryV1}/GetQuote`, JSON.stringify({ quoteId }), "-v");
    expect(stderr).toMatch(/^> traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01$/m);
    expect(stderr).toMatch(/^< x-quoter-instance: quote-query-/m);
    expect(stderr).toMatch(/^status OK, attempts 1, [\d.]+ ms$/m);
  });

  test("x-device: mobile goes to version 2", async () => {
    for (let round = 0; round < 5; round++) {
      const { json } = await call(`${queryV1}/GetQuote`, { quoteId }, "-H", "x-device: mobile");
      expect(json?.headers["x-quoter-version"]).toBe("v2");
    }
  });

  test("grpcurl lists and describes the services by reflection", async () => {
    const list = await grpcurl(gateway, "list");
    expect(list.code, list.stderr).toBe(0);
    expect(list.stdout.split("\n")).toEqual(expect.arrayContaining([command, queryV1, queryV2]));
    const described = await grpcurl(gateway, "describe", `${command}.SubmitQuote`);
    expect(described.stdout).toContain("rpc SubmitQuote ( .quoter.command.v1.SubmitQuoteRequest )");
    const message = await grpcurl(gateway, "describe", ".quoter.query.v2.Quote");
    expect(message.stdout).toContain("int64 likes = 6");
  });

  test("grpcurl calls the command service, query v1 and query v2, and watches", async () => {
    const submitted = await grpcurl("-d", '{"text":"By curl.","author":"grpcurl"}', gateway, `${command}/SubmitQuote`);
    expect(submitted.code, submitted.stderr).toBe(0);
    const { quoteId: id, position: at } = JSON.parse(submitted.stdout);
    const request = JSON.stringify({ quoteId: id, minPosition: at });
    for (const service of [queryV1, queryV2]) {
      const got = await grpcurl("-d", request, gateway, `${service}/GetQuote`);
      expect(JSON.parse(got.stdout), got.stderr).toMatchObject({ quote: { quoteId: id, text: "By curl." } });
    }
    // From the first quote's position on, so that there is something to show at once; grpcurl ends by its own limit.
    const watched = await grpcurl(
      "-max-time",
      "2",
      "-d",
      JSON.stringify({ afterPosition: position }),
      gateway,
      `${queryV1}/WatchQuotes`,
    );
    expect(watched.stdout).toContain(id);
    const health = await grpcurl(gateway, "grpc.health.v1.Health/Check");
    expect(JSON.parse(health.stdout)).toEqual({ status: "SERVING" });
  });
});

test("Ctrl-C drains and stops everything: exit code 0, no process left", async () => {
  // A terminal sends SIGINT to the whole foreground group: npm, its shell and ferry.
  process.kill(-start.pid, "SIGINT");
  const exit = await start.exited;
  expect(exit, `${start.lines.join("\n")}\n${start.stderr}`).toEqual({ code: 0, signal: null });
  expect(await home.leftOver()).toEqual([]);
  expect(start.lines.at(-1)).toBe("stopped");
});
