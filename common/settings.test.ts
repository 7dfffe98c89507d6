import { describe, expect, test } from "vitest";
import {
  describeProblems,
  parseAddress,
  parseDurationMs,
  parseInteger,
  parseList,
  parseOneOf,
  parseText,
  readSettings,
} from "./settings.ts";

const rows = {
  home: { env: "FERRY_HOME", parse: parseText, fallback: ".ferry", doc: "where state is kept" },
  listen: { env: "FERRY_LISTEN", parse: parseAddress, fallback: undefined, doc: "the address to listen on" },
  graceMs: { env: "FERRY_DRAIN_GRACE", parse: parseDurationMs, fallback: 30_000, unit: "ms", doc: "time to drain" },
  log: { env: "FERRY_LOG", parse: parseOneOf("info", "debug"), fallback: "info", doc: "how much to log" },
  appPid: { env: "FERRY_APP_PID", parse: parseInteger(1, 4_194_304), fallback: null, doc: "the app's process" },
} as const;

describe("reading settings", () => {
  test("gives every row's value, with its fallback when the variable is unset or empty", () => {
    const result = readSettings(rows, { FERRY_LISTEN: "127.0.0.1:0", FERRY_HOME: "", PATH: "/bin" });
    expect(result).toEqual({
      settings: {
        home: ".ferry",
        listen: { host: "127.0.0.1", port: 0 },
        graceMs: 30_000,
        log: "info",
        appPid: null,
      },
    });
  });

  test("infers each setting's type from its row", () => {
    const result = readSettings(rows, { FERRY_LISTEN: "localhost:1" });
    if ("problems" in result) throw new Error("unexpected problems");
    const graceMs: number = result.settings.graceMs;
    const log: "info" | "debug" = result.settings.log;
    const appPid: number | null = result.settings.appPid;
    // @ts-expect-error: a setting that may be absent is not simply a number
    const wrong: number = result.settings.appPid;
    expect([graceMs, log, appPid, wrong]).toEqual([30_000, "info", null, null]);
  });

  test("reports all problems together", () => {
    const result = readSettings(rows, { FERRY_DRAIN_GRACE: "soon", FERRY_LOG: "loud", FERRY_HOM: "x" });
    expect(result).toEqual({
      problems: [
        { env: "FERRY_LISTEN", value: undefined, expected: "the address to listen on" },
        { env: "FERRY_DRAIN_GRACE", value: "soon", expected: "a duration with its unit, as 250ms, 30s or 5m" },
        { env: "FERRY_LOG", value: "loud", expected: "one of info, debug" },
        { env: "FERRY_HOM", value: "x", expected: "no such setting; did you mean FERRY_HOME?" },
      ],
    });
    if ("settings" in result) throw new Error("unexpected settings");
    expect(describeProblems(result.problems)).toBe(
      "FERRY_LISTEN is not set: the address to listen on; " +
        'FERRY_DRAIN_GRACE="soon": expected a duration with its unit, as 250ms, 30s or 5m; ' +
        'FERRY_LOG="loud": expected one of info, debug; ' +
        'FERRY_HOM="x": no such setting; did you mean FERRY_HOME?',
    );
  });

  test("leaves foreign names alone and refuses FERRY_* names that nobody knows", () => {
    const env = { FERRY_LISTEN: "localhost:1", FERRY_ADMIN: "x", FERRY_UPSTREAM_QUOTE_QUERY: "127.0.0.1:9191" };
    expect(readSettings(rows, env, ["FERRY_ADMIN"])).toHaveProperty("settings");
    expect(readSettings(rows, { FERRY_LISTEN: "localhost:1", FERRY_ZZZZZZZZZ: "1" })).toEqual({
      problems: [{ env: "FERRY_ZZZZZZZZZ", value: "1", expected: "no setting has this name" }],
    });
  });
});

describe("parsers", () => {
  test.each([
    ["250ms", 250],
    ["30s", 30_000],
    ["1.5s", 1500],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["0", 0],
  ])("the duration %s is %d ms", (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  test.each(["", "5", "5 s", "-5s", "1d", "s"])("%j is no duration", (text) => {
    expect(() => parseDurationMs(text)).toThrow("a duration with its unit");
  });

  test.each([
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
    ["localhost:65535", { host: "localhost", port: 65_535 }],
    ["[::1]:8080", { host: "::1", port: 8080 }],
  ])("the address %s has a host and a port", (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });

  test.each(["8080", ":8080", "localhost", "localhost:65536", "::1:80", "http://x:1"])("%j is no address", (text) => {
    expect(() => parseAddress(text)).toThrow("an address host:port");
  });

  test("a whole number keeps to its bounds", () => {
    const parse = parseInteger(1, 10);
    expect(parse("10")).toBe(10);
    for (const text of ["0", "11", "1.5", "x", "1e1"]) expect(() => parse(text)).toThrow("a whole number from 1 to 10");
  });

  test("a list has no empty parts", () => {
    expect(parseList("a,b, c")).toEqual(["a", "b", "c"]);
    expect(() => parseList("a,,b")).toThrow("a list with commas");
  });
});
