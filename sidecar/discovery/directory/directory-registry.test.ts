// The directory registry: the suite of every registry, and what is its own: files, dead owners, foreign content.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { registrationOf, registrySuite } from "../registry.suite.ts";
import type { Endpoint } from "../registry.ts";
import { DirectoryRegistry } from "./directory-registry.ts";

registrySuite("a directory", {
  open: async () => {
    const root = await mkdtemp(join(tmpdir(), "ferry-registry-"));
    return {
      connect: async () => new DirectoryRegistry({ root }),
      remove: () => rm(root, { recursive: true, force: true }),
    };
  },
});

describe("directory registry", () => {
  let root: string;
  let problems: string[];
  let registry: DirectoryRegistry;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "ferry-registry-"));
    problems = [];
    registry = new DirectoryRegistry({ root, onProblem: (sentence) => problems.push(sentence) });
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await registry.close();
    await rm(root, { recursive: true, force: true });
  });

  test.each(["../up", "a/b", "", ".hidden", "UPPER", "a..b", "x".repeat(64)])(
    "the name %j is refused",
    async (name) => {
      await expect(registry.register(registrationOf(name, "a-1"))).rejects.toThrow("cannot register");
      await expect(registry.register(registrationOf("a", name))).rejects.toThrow("cannot register");
      expect(await readdir(root)).toEqual([]);
    },
  );

  test("torn, foreign and newer files are reported once and ignored; the good one counts", async () => {
    await mkdir(join(root, "a"));
    await writeFile(join(root, "a", "torn.json"), '{"format":1,"id":"to');
    await writeFile(join(root, "a", "newer.json"), '{"format":2}');
    await writeFile(join(root, "a", "notes.txt"), "hello");
    await writeFile(join(root, "a", "array.json"), "[]");
    await registry.register(registrationOf("a", "good"));
    expect((await registry.listInstances()).map(({ id }) => id)).toEqual(["good"]);
    await registry.register(registrationOf("a", "other"));
    expect((await registry.listInstances()).map(({ id }) => id)).toEqual(["good", "other"]);
    expect(problems.map((problem) => problem.replace(root, ""))).toEqual([
      "registry: /a/array.json is not a JSON object; it is ignored",
      "registry: /a/newer.json has format 2, this version reads 1; it is ignored",
      "registry: /a/torn.json is not JSON; it is ignored",
    ]);
  });

  test("a killed sidecar's instance leaves within about a second, its file at the next registration", async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    children.push(child);
    await once(child, "spawn");
    const handle = await registry.register({ ...registrationOf("a", "a-1"), sidecarPid: child.pid! });
    await handle.setHealth("passing", "");
    const reader = new DirectoryRegistry({ root });
    const stop = new AbortController();
    try {
      const sets: (readonly Endpoint[])[] = [];
      const gone = new Promise<number>((resolve) => {
        const onChange = (endpoints: readonly Endpoint[]) => {
          sets.push(endpoints);
          if (sets.length === 1) child.kill("SIGKILL");
          if (sets.length === 2) resolve(performance.now());
        };
        reader.watchService("a", onChange, stop.signal);
      });
      const beganAt = performance.now();
      expect((await gone) - beganAt).toBeLessThan(2_500);
      expect(sets.map((set) => set.length)).toEqual([1, 0]);
    } finally {
      stop.abort();
      await reader.close();
    }
    await registry.register(registrationOf("a", "a-2"));
    expect(await readdir(join(root, "a"))).toEqual(["a-2.json"]);
  });

  test("a pid that was given to another process does not keep a dead instance alive", async () => {
    await registry.register(registrationOf("a", "a-1"));
    const path = join(root, "a", "a-1.json");
    const file = JSON.parse(await readFile(path, "utf8"));
    expect(file.sidecarStart).toMatch(/^\d+$/);
    await writeFile(path, JSON.stringify({ ...file, sidecarStart: "1" }));
    const reader = new DirectoryRegistry({ root });
    expect(await reader.listInstances()).toEqual([]);
    await reader.close();
  });

  test("an id that a running process holds cannot be registered by another", async () => {
    await registry.register({ ...registrationOf("a", "a-1"), sidecarPid: process.ppid });
    const second = registry.register(registrationOf("a", "a-1"));
    await expect(second).rejects.toThrow(`instance id a-1 of a is taken by process ${process.ppid}`);
  });

  test("a file that somebody removed is written again", async () => {
    const handle = await registry.register(registrationOf("a", "a-1"));
    await handle.setHealth("passing", "");
    const stop = new AbortController();
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      const onChange = (set: readonly Endpoint[]) => {
        seen.push(set[0]?.health ?? "none");
        if (seen.at(-1) === "passing" && !seen.includes("none")) void rm(join(root, "a"), { recursive: true });
        if (seen.at(-1) === "passing" && seen.includes("none")) resolve();
      };
      registry.watchService("a", onChange, stop.signal);
    });
    stop.abort();
    expect(seen.slice(-3)).toEqual(["passing", "none", "passing"]);
  });

  test("readers never see a file that is not whole", async () => {
    const handle = await registry.register(registrationOf("a", "a-1"));
    const reader = new DirectoryRegistry({ root, onProblem: (sentence) => problems.push(sentence) });
    const writing = (async () => {
      for (let i = 0; i < 200; i++) await handle.setHealth(i % 2 === 0 ? "passing" : "critical", `write ${i}`);
    })();
    for (let i = 0; i < 50; i++) expect(await reader.listInstances()).toHaveLength(1);
    await writing;
    await reader.close();
    expect(problems).toEqual([]);
  });
});
