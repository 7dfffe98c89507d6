import { expect, test } from "vitest";
import { missingInServer } from "./server-check.ts";

const good = { version: "2.15.2", headers: true, jetstream: true };

test.each(["2.10.0", "2.15.2", "2.16.0-dev", "3.0.0"])("server %s will do", (version) => {
  expect(missingInServer({ ...good, version })).toBeUndefined();
});

test.each(["2.9.25", "1.4.1", "unknown"])("server %s is too old", (version) => {
  const sentence = `nats-server ${version} is too old; version 2.10 or newer is needed`;
  expect(missingInServer({ ...good, version })).toBe(sentence);
});

test("a server without headers or without JetStream is told what to change", () => {
  expect(missingInServer({ ...good, headers: false })).toContain("no_header_support");
  expect(missingInServer({ version: "2.15.2", headers: true })).toContain("start nats-server with `-js");
});
