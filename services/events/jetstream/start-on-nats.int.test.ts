// How quote-command and quote-projector start on a NATS server that is not there yet, or not as it should be: they wait
// and say so, or end with one sentence that says what to do. Takes seconds, as it starts processes.

import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startNats, unusedNatsUrl } from "../../../e2e/testing/nats-server.ts";
import { MainProcess, type ServiceName } from "../../kit/testing/main-process.ts";

const services = ["quote-command", "quote-projector"] as const;

describe("the start of a service on NATS", () => {
  let home: string;
  const ends: (() => unknown)[] = [];
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "ferry-start-"));
    ends.push(() => rmSync(home, { recursive: true, force: true }));
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  function start(service: ServiceName, natsUrl: string, env: NodeJS.ProcessEnv = {}): MainProcess {
    const common = { FERRY_HOME: home, FERRY_VERSION: "v1", FERRY_EVENTS: "nats", FERRY_EVENTS_MAX_BYTES: "268435456" };
    const process = new MainProcess(service, { ...common, NATS_URL: natsUrl, ...env });
    ends.push(() => process.stop("SIGKILL"));
    return process;
  }

  async function serve(...args: readonly string[]) {
    const server = await startNats(args);
    ends.push(() => server.remove());
    return server;
  }

  /** What quote-command says in the end; its exit code must be 1. */
  async function refusal(natsUrl: string, env?: NodeJS.ProcessEnv): Promise<string> {
    const command = start("quote-command", natsUrl, env);
    expect(await command.end()).toBe(1);
    return command.stderr;
  }

  test.each(services)("%s waits for a server that is away, with progress, and starts when it comes", async (name) => {
    const url = await unusedNatsUrl();
    const service = start(name, url);
    await service.says("\n");
    const { level, message } = JSON.parse(service.stderr.split("\n")[0] ?? "");
    expect({ level, message }).toEqual({
      level: "info",
      message: `waiting for nats at ${new URL(url).host}, 60 s more: connection refused`,
    });
    expect(service.stdout).toBe("");
    await serve("-js", "-p", new URL(url).port);
    await service.ready();
    expect(await service.stop("SIGTERM")).toBe(0);
  });

  test.each(services)("%s ends with 0 at SIGTERM while it waits", async (name) => {
    const service = start(name, await unusedNatsUrl());
    await service.says("waiting for nats");
    expect(await service.stop("SIGTERM")).toBe(0);
    expect(service.stdout).toBe("");
  });

  test("a server that comes without JetStream while we wait ends the wait", async () => {
    const url = await unusedNatsUrl();
    const command = start("quote-command", url);
    await command.says("waiting for nats");
    await serve("-p", new URL(url).port);
    expect(await command.end()).toBe(1);
    expect(command.stderr).toMatch(/\nquote-command: .*: JetStream is not enabled; start nats-server with `-js /);
  });

  test("without JetStream: at once, with what to do", async () => {
    const { url } = await serve();
    expect(await refusal(url)).toBe(
      `quote-command: event log ${url}, stream QUOTER_EVENTS: JetStream is not enabled; ` +
        "start nats-server with `-js -sd <folder>`, or enable it for this account\n",
    );
  });

  test("with credentials that are missing or wrong: at once, and the password is not shown", async () => {
    const { url } = await serve("-js", "--user", "me", "--pass", "s3cret");
    const sentence = /^quote-command: .* does not let us in .*; give a user and password in NATS_URL, or a file .*\n$/;
    expect(await refusal(url)).toMatch(sentence);
    const wrong = await refusal(url.replace("//", "//me:hush@"));
    expect(wrong).toMatch(sentence);
    expect(wrong).not.toContain("hush");
  });

  test("too old: at once, with the oldest version that will do", async () => {
    const server = createServer((socket) => {
      const info = { server_id: "x", version: "2.9.10", headers: true, jetstream: true, max_payload: 1_048_576 };
      socket.on("error", () => {}).write(`INFO ${JSON.stringify(info)}\r\n`);
      socket.on("data", (text) => text.includes("PING") && socket.write("PONG\r\n"));
    }).listen(0, "127.0.0.1");
    ends.push(() => server.close());
    await once(server, "listening");
    expect(await refusal(`nats://127.0.0.1:${(server.address() as AddressInfo).port}`)).toMatch(
      /: nats-server 2\.9\.10 is too old; version 2\.10 or newer is needed\n$/,
    );
  });

  test("with TLS where the server has none: at once", async () => {
    const { url } = await serve("-js");
    expect(await refusal(url.replace("nats:", "tls:"))).toMatch(
      /: the server does not speak TLS; write nats:\/\/ instead of tls:\/\/ in NATS_URL\n$/,
    );
  });

  test("with a file of credentials that is missing or something else: at once, nothing of it shown", async () => {
    const url = await unusedNatsUrl();
    const missing = join(home, "missing.creds");
    expect(await refusal(url, { NATS_CREDS: missing })).toMatch(/^quote-command: NATS_CREDS=.*: cannot be read .*\n$/);
    writeFileSync(missing, "hush");
    const sentence = "expected a file with a user's JWT and seed, as `nsc generate creds` writes it";
    expect(await refusal(url, { NATS_CREDS: missing })).toBe(
      `quote-command: NATS_CREDS=${missing}: has not what it should have; ${sentence}\n`,
    );
  });
});
