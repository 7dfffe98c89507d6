// The process itself: what it prints, how it ends. Takes a second: it starts Node.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { QuoteCommandService } from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { testClient } from "../kit/testing/grpc-client.ts";

const main = join(import.meta.dirname, "main.ts");
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function start(env: Record<string, string>) {
  const home = await mkdtemp(join(tmpdir(), "ferry-process-"));
  const child = spawn(process.execPath, [main], { env: { FERRY_HOME: home, ...env } });
  const output = { out: "", err: "" };
  child.stdout.on("data", (chunk) => {
    output.out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output.err += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  cleanUps.push(
    () => rm(home, { recursive: true, force: true }),
    () => child.kill("SIGKILL") && ended,
  );
  return { child, output, ended };
}

describe("the quote-command process", () => {
  test("prints one ready line, answers, and ends with 0 on SIGTERM", async () => {
    const { child, output, ended } = await start({ FERRY_INSTANCE: "qc-1", FERRY_VERSION: "v3" });
    while (!output.out.includes("\n")) await new Promise((resolve) => child.stdout.once("data", resolve));
    const ready = JSON.parse(output.out);
    expect(ready).toMatchObject({ event: "ready", service: "quote-command", instance: "qc-1", pid: child.pid });
    const client = testClient(Number(/:(\d+)$/.exec(ready.listen)?.[1]));
    const reply = await client.unary(QuoteCommandService.method.submitQuote, { text: "t", author: "a" });
    expect(reply.headers).toMatchObject({ "x-quoter-version": "v3", "x-quoter-instance": "qc-1" });
    client.close();
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(output.out.trim().split("\n").length).toBe(1);
    for (const line of output.err.trim().split("\n")) expect(JSON.parse(line)).toMatchObject({ component: "qc-1" });
  });

  test("with wrong settings says in one sentence which, and ends with 1", async () => {
    const { output, ended } = await start({ FERRY_LISTEN: "here", FERRY_VERSON: "v1" });
    expect(await ended).toBe(1);
    expect(output.err).toBe(
      'quote-command: FERRY_LISTEN="here": expected an address host:port, as 127.0.0.1:8080; ' +
        'FERRY_VERSON="v1": no such setting; did you mean FERRY_VERSION?\n',
    );
  });
});
