// `ferry check`, `diff` and `apply` as processes against a real Consul agent: what they print, and how they end.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ferry, root } from "../e2e/testing/ferry.ts";
import { type ConsulAgent, startConsul, wipe } from "../sidecar/discovery/consul/testing/consul-agent.ts";

let agent: ConsulAgent;
let folder: string;
beforeAll(async () => {
  agent = await startConsul();
});
afterAll(() => agent?.remove());
beforeEach(async () => {
  await wipe(agent);
  folder = mkdtempSync(join(tmpdir(), "ferry-config-"));
  cpSync(join(root, "mesh-config"), folder, { recursive: true });
  return () => rmSync(folder, { recursive: true });
});

const nobody = "127.0.0.1:1";

function run(command: string, ...words: string[]) {
  const { host, port } = agent.address;
  return ferry([command, folder, "--json", ...words], {
    home: join(folder, "home"),
    env: { CONSUL_HTTP_ADDR: `${host}:${port}` },
  });
}

function setWeights(v1: number, v2: number): void {
  const file = join(folder, "service-splitter/quote-query.json");
  const entry = JSON.parse(readFileSync(file, "utf8"));
  entry.Splits[0].Weight = v1;
  entry.Splits[1].Weight = v2;
  writeFileSync(file, JSON.stringify(entry));
}

test("an empty Consul gets all of it, then nothing, then what changed; what is only there is named", async () => {
  expect((await run("diff")).json).toMatchObject({ ok: true, changes: { length: 8 } });
  const first = await run("apply");
  expect(first).toMatchObject({ code: 0, json: { ok: true, command: "apply", unchanged: 0, problems: [] } });
  expect(first.json?.written).toContainEqual({ file: "service-router/quoter.json", action: "create" });
  expect((await run("apply")).json).toMatchObject({ ok: true, written: [], unchanged: 8 });
  setWeights(50, 50);
  await agent.write({ Kind: "service-defaults", Name: "other", Protocol: "grpc" });
  const diff = await run("diff");
  expect(diff.json?.changes).toEqual([
    {
      action: "update",
      file: "service-splitter/quote-query.json",
      fields: [
        { path: "Splits[0].Weight", before: "90", after: "50" },
        { path: "Splits[1].Weight", before: "10", after: "50" },
      ],
    },
  ]);
  const written = [{ file: "service-splitter/quote-query.json", action: "update" }];
  const onlyInConsul = ["service-defaults/other.json"];
  expect((await run("apply")).json).toMatchObject({ ok: true, written, unchanged: 7, onlyInConsul });
  expect((await run("diff")).json).toMatchObject({ ok: true, changes: [], onlyInConsul });
});

test("a file with a mistake keeps everything from being written, and needs no Consul to be told", async () => {
  setWeights(90, 5);
  const problem = { file: "service-splitter/quote-query.json", path: "Splits" };
  for (const command of ["check", "diff", "apply"]) {
    const done = await ferry([command, folder, "--json"], {
      home: join(folder, "home"),
      env: { CONSUL_HTTP_ADDR: nobody },
    });
    expect(done).toMatchObject({ code: 1, json: { ok: false, problems: [problem] } });
    expect(Object.keys(done.json?.problems[0]).sort()).toEqual(["expected", "file", "found", "path", "suggestion"]);
  }
  expect(await agent.client.json({ path: "config/service-defaults" })).toEqual([]);
});

test("what Consul refuses is a problem with the same fields, on stderr one line", async () => {
  // In Consul, not in the files: our check cannot know of it.
  await agent.write({ Kind: "service-defaults", Name: "quote-command", Protocol: "tcp" });
  rmSync(join(folder, "service-defaults/quote-command.json"));
  const done = await run("apply");
  expect(done.code).toBe(1);
  const found = 'service "quote-command" has "tcp" which is not "grpc"';
  const path = expect.stringMatching(/^Routes\[\d\]\.Destination\.Service$/);
  expect(done.json?.problems).toMatchObject([{ file: "service-router/quoter.json", path, found }]);
  expect(done.stderr).toMatch(
    /^ferry: service-router\/quoter\.json: Routes\[\d\]\S+ expected one protocol .*write the/m,
  );
});

test("a Consul that is away is one sentence with what to do; a wrong wait is a wrong use", async () => {
  const home = join(folder, "home");
  const away = await ferry(["apply", folder, "--wait", "0s"], { home, env: { CONSUL_HTTP_ADDR: nobody } });
  expect(away.code).toBe(1);
  expect(away.stderr).toMatch(/^ferry: consul at 127\.0\.0\.1:1: connection refused; start Consul, or set [^\n]*\n$/);
  expect((await ferry(["apply", folder, "--wait", "long"], { home })).code).toBe(2);
});
