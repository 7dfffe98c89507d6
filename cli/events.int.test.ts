// `ferry events` as a process against a real nats-server.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "nats";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type NatsServer, startNats } from "../e2e/testing/nats-server.ts";

const ferry = fileURLToPath(new URL("./ferry", import.meta.url));

let streams = 0;
const newStreamName = () => `CLI_${++streams}`;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe("ferry events", () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server?.remove());

  async function events(env: NodeJS.ProcessEnv, ...words: readonly string[]): Promise<Ended> {
    const options = { env: { PATH: process.env.PATH, NATS_URL: server.url, ...env } };
    try {
      return { code: 0, ...(await promisify(execFile)(ferry, ["events", ...words], options)) };
    } catch (error) {
      const { code, stdout, stderr } = error as Ended;
      return { code, stdout, stderr };
    }
  }
  const json = ({ stdout }: Ended) => JSON.parse(stdout);

  test("plans a stream that is missing, makes it, and then has nothing to do", async () => {
    const env = { FERRY_EVENTS_STREAM: newStreamName(), FERRY_EVENTS_MAX_BYTES: "1048576" };
    const planned = await events(env, "plan");
    expect(planned).toMatchObject({ code: 1, stderr: "" });
    expect(planned.stdout).toContain("does not exist and would be made");
    expect(planned.stdout).toContain('discard: "new"\n      a full log refuses the next event');
    const applied = await events(env, "apply", "--json");
    expect(applied.code).toBe(0);
    expect(json(applied)).toMatchObject({ ok: true, command: "events", changed: true, differences: [] });
    expect(json(await events(env, "apply", "--json"))).toMatchObject({ ok: true, changed: false });
    const after = await events(env, "plan");
    expect(after).toMatchObject({ code: 0, stdout: expect.stringContaining("is as wanted") });
  });

  test("shows what differs in a stream that is there, and changes it", async () => {
    const streamName = newStreamName();
    const env = { FERRY_EVENTS_STREAM: streamName, FERRY_EVENTS_MAX_BYTES: "1048576" };
    await events(env, "apply");
    const larger = { ...env, FERRY_EVENTS_MAX_BYTES: "2097152" };
    const planned = await events(larger, "plan", "--json");
    expect(planned.code).toBe(1);
    expect(json(planned)).toMatchObject({
      ok: false,
      exists: true,
      differences: [{ field: "max_bytes", actual: "1048576", wanted: "2097152", mayChange: true }],
    });
    expect((await events(larger, "apply")).stdout).toContain("applied");
    expect((await events(larger, "plan")).code).toBe(0);
  });

  test("says what cannot be changed, changes the rest, and ends with 1", async () => {
    const streamName = newStreamName();
    const connection = await connect({ servers: server.url });
    const jsm = await jetstreamManager(connection);
    await jsm.streams.add({ name: streamName, subjects: ["elsewhere.*"], storage: "memory", max_age: 1e12 });
    await connection.close();
    const applied = await events({ FERRY_EVENTS_STREAM: streamName }, "apply");
    expect(applied.code).toBe(1);
    expect(applied.stdout).toContain('storage: "memory" -> "file" (cannot be changed: name another stream)');
    expect(applied.stderr).toBe(`ferry: stream ${streamName} still differs in storage\n`);
  });

  test("one sentence when NATS is away or a setting is wrong", async () => {
    const away = await events({ NATS_URL: "nats://127.0.0.1:1" }, "plan");
    expect(away).toMatchObject({ code: 1, stderr: expect.stringMatching(/^ferry: event log nats:.*REFUSED.*\n$/i) });
    const wrong = await events({ FERRY_EVENTS_STREAM: "quoter" }, "plan");
    expect(wrong.stderr).toBe(
      'ferry: FERRY_EVENTS_STREAM="quoter": expected a name of capital letters, digits and _, as QUOTER_EVENTS\n',
    );
  });
});
