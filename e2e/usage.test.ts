// What goes wrong is said in one sentence, with the right exit code, and nothing is left running.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "./testing/eventually.ts";
import { type Finished, ferry, root, runToEnd, startFerry } from "./testing/ferry.ts";
import { takePort } from "./testing/free-port.ts";
import { makeHome, type TestHome } from "./testing/home.ts";

let home: TestHome;
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

/** One line on stderr that begins with `ferry: `, this exit code, and nothing left. */
async function expectSentence(finished: Finished, code: number, sentence: RegExp): Promise<void> {
  expect(finished.stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(finished.stderr).toMatch(sentence);
  expect(finished.code).toBe(code);
  expect(await home.leftOver()).toEqual([]);
}

describe("ferry up", () => {
  test("refuses a gateway's port that is taken", async () => {
    const { port, release } = await takePort();
    try {
      const up = await ferry(["up", "--gateway", `127.0.0.1:${port}`], { home: home.path });
      const sentence = new RegExp(
        `^ferry: the gateway cannot listen on 127\\.0\\.0\\.1:${port}: another process listens there; `,
      );
      await expectSentence(up, 1, sentence);
    } finally {
      await release();
    }
  });

  test("names a setting that does not exist, and the one that was meant", async () => {
    const up = await ferry(["up", "--gateway", "127.0.0.1:0"], {
      home: home.path,
      env: { FERRY_HEALTH_INTERVALL: "1s" },
    });
    await expectSentence(
      up,
      1,
      /^ferry: settings: FERRY_HEALTH_INTERVALL="1s": no such setting; did you mean FERRY_HEALTH_INTERVAL\?/,
    );
  });

  test("names a wrong value of a process's setting", async () => {
    const up = await ferry(["up", "--gateway", "127.0.0.1:0"], {
      home: home.path,
      env: { FERRY_HEALTH_INTERVAL: "soon" },
    });
    await expectSentence(up, 1, /FERRY_HEALTH_INTERVAL="soon": expected a duration/);
  });

  test("names a mesh configuration that is not there", async () => {
    const args = ["up", "--gateway", "127.0.0.1:0", "--mesh-config", "/nowhere"];
    await expectSentence(
      await ferry(args, { home: home.path }),
      1,
      /^ferry: --mesh-config: expected a directory .* \/nowhere$/m,
    );
  });

  test("refuses a home that another one uses, which goes on", async () => {
    const first = startFerry(["up", "--json", "--gateway", "127.0.0.1:0"], { home: home.path });
    await first.event("ready", 90_000);
    const second = await ferry(["up", "--gateway", "127.0.0.1:0"], { home: home.path });
    expect(second.stderr).toMatch(/^ferry: another `ferry up` \(pid \d+\) runs in .*; stop it, or .* --home\n$/);
    expect(second.code).toBe(1);
    expect((await ferry(["status"], { home: home.path })).code).toBe(0);
    first.signal("SIGTERM");
    expect(await first.exited).toEqual({ code: 0, signal: null });
    expect(await home.leftOver()).toEqual([]);
  });

  test("leaves nothing behind when it is killed itself", async () => {
    const up = startFerry(["up", "--json", "--gateway", "127.0.0.1:0"], { home: home.path });
    await up.event("started", 60_000);
    up.signal("SIGKILL");
    await up.exited;
    await eventually("nothing of it runs", 25_000, async () => {
      expect(home.processes()).toEqual([]);
      return true;
    });
  });
});

describe("called wrongly", () => {
  const cases: [string, string[], RegExp][] = [
    ["an unknown command", ["upp"], /^ferry: unknown command 'upp' \(Did you mean up\?\)$/m],
    [
      "an unknown option",
      ["up", "--gatewy", "127.0.0.1:0"],
      /^ferry: unknown option '--gatewy' \(Did you mean --gateway\?\)$/m,
    ],
    [
      "an address without a port",
      ["up", "--gateway", "localhost"],
      /^ferry: --gateway localhost: expected an address host:port/,
    ],
    ["a call without a method", ["call"], /^ferry: missing required argument 'method'$/m],
    ["a method without a service", ["call", "GetQuote"], /^ferry: method: expected package\.Service\/Method/],
    [
      "a timeout without a unit",
      ["call", "a.B/C", "--timeout", "5"],
      /^ferry: --timeout 5: expected a duration with its unit/,
    ],
    [
      "a run without a command",
      ["run", "--service", "x", "--app", "127.0.0.1:1"],
      /^ferry: missing required argument 'command'$/m,
    ],
    [
      "a load without bounds",
      ["bench", "call", "a.B/C", "--rps", "1e9"],
      /^ferry: --rps 1e9: expected a number above 0/,
    ],
  ];
  test.each(cases)("%s is exit code 2", async (_what, args, sentence) => {
    await expectSentence(await ferry(args, { home: home.path }), 2, sentence);
  });
});

describe("what cannot be done is exit code 1:", () => {
  test("a call to nobody", async () => {
    const { port, release } = await takePort();
    await release();
    const call = await ferry(["call", "a.B/C", "--addr", `127.0.0.1:${port}`], { home: home.path });
    await expectSentence(call, 1, new RegExp(`^ferry: 127\\.0\\.0\\.1:${port}: no answer to reflection: UNAVAILABLE`));
  });

  test("a load on somebody else's server", async () => {
    const load = await ferry(["bench", "call", "a.B/C", "--addr", "192.0.2.1:80"], { home: home.path });
    await expectSentence(load, 1, /^ferry: bench loads servers on this machine only, .*192\.0\.2\.1:80 is not$/m);
  });

  test("a status where nothing runs", async () => {
    const { code, json } = await ferry(["status", "--json"], { home: home.path });
    expect(code).toBe(1);
    expect(json).toMatchObject({ ok: false, command: "status", services: [], gateway: null });
    expect(json?.machine).toMatchObject({ cpus: expect.any(Number), node: expect.stringMatching(/^\d+\./) });
  });

  test("a program that is not there", async () => {
    const args = ["run", "--service", "x", "--app", "127.0.0.1:0", "--", "/no/such/program"];
    const run = await ferry(args, { home: home.path });
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^ferry: x-\d+: cannot start \/no\/such\/program: there is no such program$/m);
    expect(await home.leftOver()).toEqual([]);
  });
});

describe("ferry check", () => {
  test("finds the repository's own mesh configuration right", async () => {
    const { code, json } = await ferry(["check", `${root}/mesh-config`, "--json"], { home: home.path });
    expect(json).toMatchObject({ ok: true, problems: [] });
    expect(code).toBe(0);
  });

  test("names file, place, expected form and what was found", async () => {
    const directory = mkdtempSync(join(tmpdir(), "ferry-check-"));
    try {
      await runToEnd("cp", ["-r", `${root}/mesh-config/.`, directory]);
      const splitter = { Kind: "service-splitter", Name: "quote-query", Splits: [{ Weight: 90, ServiceSubset: "v1" }] };
      writeFileSync(join(directory, "service-splitter", "quote-query.json"), JSON.stringify(splitter));
      const { code, json } = await ferry(["check", directory, "--json"], { home: home.path });
      expect(code).toBe(1);
      expect(json?.problems[0]).toMatchObject({ file: "service-splitter/quote-query.json", path: "Splits" });
      expect(`${json?.problems[0].expected} ${json?.problems[0].found}`).toMatch(/100.*90/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe("the launcher", () => {
  test("is found by npx in the checkout", async () => {
    const { code, stdout } = await runToEnd("npx", ["ferry", "--help"], { home: home.path });
    expect({ code, isHelp: stdout.startsWith("Usage: ferry") }).toEqual({ code: 0, isHelp: true });
  });

  test("refuses a Node that is too old in one sentence", async () => {
    const directory = mkdtempSync(join(tmpdir(), "ferry-old-"));
    try {
      await runToEnd("sh", ["-c", `mkdir ${directory}/cli ${directory}/bin && cp ${root}/cli/ferry ${directory}/cli/`]);
      writeFileSync(join(directory, "bin", "node"), "#!/bin/sh\necho v20.20.2\n", { mode: 0o755 });
      const env = { PATH: `${directory}/bin:/usr/bin:/bin` };
      const old = await runToEnd(`${directory}/cli/ferry`, ["up"], { home: home.path, env });
      await expectSentence(old, 1, /^ferry: Node\.js 24 or newer is needed and .* is v20\.20\.2; run `npm ci` in /);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
