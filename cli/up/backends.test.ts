import { expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { readCliSettings } from "../settings.ts";
import { awaitBackends, describeBackends } from "./backends.ts";

const home = "/nowhere";
const options = { clock: systemClock, waitMs: 0, onProgress: () => {}, signal: new AbortController().signal };

test("embedded parts need no server", async () => {
  const backends = await awaitBackends(readCliSettings(home, {}), options);
  expect(describeBackends(backends)).toBe("registry: directory; events: sqlite; read model: sqlite");
});

test("each part is told with where it is", () => {
  const told = describeBackends([
    { part: "registry", kind: "consul", at: "127.0.0.1:8500", version: "1.21.0" },
    { part: "events", kind: "nats", at: "127.0.0.1:4222", version: "" },
  ]);
  expect(told).toBe("registry: consul at 127.0.0.1:8500 (1.21.0); events: nats at 127.0.0.1:4222");
});

test.each([
  [{ FERRY_EVENTS: "nats", NATS_URL: "nats://me:secret@127.0.0.1:1" }, /^nats at 127\.0\.0\.1:1: .* start nats-server/],
  [
    { FERRY_READ_MODEL: "postgres", DATABASE_URL: "postgres://me:secret@127.0.0.1:1/quotes" },
    /^postgres at 127\.0\.0\.1:1\/quotes: connection refused; start Postgres, or set DATABASE_URL/,
  ],
  [{ FERRY_READ_MODEL: "postgres" }, /^DATABASE_URL is not set/],
  [
    { FERRY_REGISTRY: "consul", CONSUL_HTTP_ADDR: "127.0.0.1:1" },
    /^consul at 127\.0\.0\.1:1: .*; start Consul, or set/,
  ],
])("a server that is not there is one sentence without a secret: %o", async (env, sentence) => {
  const failed = await awaitBackends(readCliSettings(home, env), options).catch((error: Error) => error.message);
  expect(failed).toMatch(sentence);
  expect(failed).not.toContain("secret");
});
