// The example clients in three languages, generated and run as examples/README.md says, through a real gateway. Python
// is FERRY_PYTHON (with grpcio and grpcio-tools, `.ci/run` makes one); a client whose language is missing is skipped.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Finished, root, runToEnd } from "./testing/ferry.ts";
import { startStack, type TestStack } from "./testing/stack.ts";

const python = process.env.FERRY_PYTHON;
const hasGo = spawnSync("go", ["version"]).status === 0;
const clients = `${root}/examples/clients`;

let stack: TestStack;

beforeAll(async () => {
  stack = await startStack();
});

afterAll(() => stack?.dispose());

/** What every client prints at its end, whatever its language. */
function expectAllThreeKinds(done: Finished, text: string): void {
  expect(done.code, done.stderr).toBe(0);
  expect(done.json).toEqual({
    quoteId: expect.stringMatching(/^q/),
    readText: text,
    watched: true,
    recordedBatches: 1,
    duplicateBatches: 1,
    lastSequence: 4,
  });
}

describe("generated clients make a unary call, a server stream and a client stream through the gateway", () => {
  test("TypeScript", async () => {
    const done = await runToEnd(process.execPath, [`${clients}/ts/client.ts`, `http://${stack.gateway}`]);
    expectAllThreeKinds(done, "Panta rhei.");
  });

  test.skipIf(python === undefined)("Python", async () => {
    const stubs = join(stack.home.path, "stubs");
    const env = { PYTHON: python!, QUOTER_STUBS: stubs };
    const generated = await runToEnd(`${clients}/python/generate.sh`, [stubs], { env });
    expect(generated.code, generated.stderr).toBe(0);
    const done = await runToEnd(python!, [`${clients}/python/client.py`, stack.gateway], { env });
    expectAllThreeKinds(done, "Still waters run deep.");
  });

  // Downloads and compiles grpc-go where that is not cached yet.
  test.skipIf(!hasGo)("Go", { timeout: 300_000 }, async () => {
    const done = await runToEnd("go", ["run", ".", stack.gateway], { cwd: `${clients}/go` });
    expectAllThreeKinds(done, "Go with the flow.");
  });
});
