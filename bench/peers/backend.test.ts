import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Probe } from "../proxy-probe.ts";

let backend: ChildProcess;
let port = 0;

beforeAll(async () => {
  backend = fork(fileURLToPath(new URL("backend.ts", import.meta.url)), { execArgv: [] });
  [{ port }] = (await once(backend, "message")) as [{ port: number }];
});

afterAll(() => void backend.kill());

test("the backend echoes to a gRPC client of another make and counts what it served", async () => {
  const probes = [new Probe(port, "/a.B/C"), new Probe(port, "/a.B/C")];
  const results = await Promise.all(probes.map((probe) => probe.stop()));
  expect(results).toEqual([
    { calls: 1, problems: [] },
    { calls: 1, problems: [] },
  ]);
  backend.send("served");
  expect(await once(backend, "message")).toEqual([{ served: 2 }, undefined]);
});
