import { expect, test } from "vitest";
import { parseDatabaseUrl } from "./database-address.ts";

test("the label of an address shows where it is and no secret", () => {
  expect(parseDatabaseUrl("postgres://ferry:hush@db.example:6543/quotes?sslmode=require").label).toBe(
    "db.example:6543/quotes",
  );
  expect(parseDatabaseUrl("postgresql:///quotes?host=/run/postgresql").label).toBe("/run/postgresql:5432/quotes");
});

test("an address that is missing or wrong is refused without showing it", () => {
  expect(() => parseDatabaseUrl(null)).toThrow(
    "DATABASE_URL is not set: FERRY_READ_MODEL=postgres needs it, expected postgres://user:password@host:port/database",
  );
  for (const wrong of ["ferry:hush@db", "http://ferry:hush@db/quotes", "hush"]) {
    expect(() => parseDatabaseUrl(wrong)).toThrow(/^DATABASE_URL is not the address of a Postgres: expected [^h]*:/);
    expect(() => parseDatabaseUrl(wrong)).not.toThrow("hush");
  }
});

test.each(["#", "?", "/"])("a password with a bare %s is refused, and none of it shown", (letter) => {
  const url = (password: string) => `postgres://ferry:${password}@db.example/quotes`;
  expect(() => parseDatabaseUrl(url(`12${letter}hush`))).toThrow(
    "DATABASE_URL: in a password @ / ? and # are written %40 %2F %3F and %23",
  );
  expect(parseDatabaseUrl(url(encodeURIComponent(`12${letter}hush`))).label).toBe("db.example:5432/quotes");
});
