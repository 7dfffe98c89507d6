// A deadline holds across both hops: the caller is answered in time, and the handler learns that nobody waits.

import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "./testing/eventually.ts";
import { type Running, root, startFerry } from "./testing/ferry.ts";
import { openRawHttp2, type RawReply } from "./testing/raw-http2.ts";
import { startStack, type TestStack } from "./testing/stack.ts";

let stack: TestStack;
let sleeper: Running;

beforeAll(async () => {
  stack = await startStack();
  const service = ["--service", "sleeper", "--app", "127.0.0.1:0", "--grpc-service", "e2e.Sleeper"];
  const program = [`${root}/node_modules/.bin/node`, `${root}/e2e/testing/sleeper.ts`];
  sleeper = startFerry(["run", ...service, "--mesh-config", stack.meshConfig, "--json", "--", ...program], {
    home: stack.home.path,
  });
  await sleeper.event("ready", 60_000);
});
afterAll(async () => {
  sleeper?.signal("SIGTERM");
  await sleeper?.exited;
  await stack?.dispose();
});

test("a deadline of 50 ms on a sleeping handler is answered at 50 to 70 ms, and it sees the cancel", async () => {
  const connection = await openRawHttp2(stack.gateway);
  const call = (sleepMs: number, headers: Record<string, string>) =>
    connection.call("/e2e.Sleeper/Sleep", Buffer.from(`${sleepMs}`), headers);
  try {
    // The route is there once the gateway has seen the registration.
    await eventually("the gateway routes to the sleeper", 10_000, async () => {
      const reply = await call(1, {});
      return reply.grpcStatus === "0" ? true : undefined;
    });
    const replies: RawReply[] = [];
    for (let round = 0; round < 20; round++) replies.push(await call(10_000, { "grpc-timeout": "50m" }));
    for (const { grpcStatus, fields } of replies) {
      expect(grpcStatus).toBe("4");
      // Gateway, sidecar and the application's grpc-js each enforce it; whichever timer is first answers.
      expect(["deadline_exceeded", undefined]).toContain(fields["x-ferry-failure"]);
    }
    const times = replies.map(({ ms }) => ms).sort((a, b) => a - b);
    // Not before its time, but for the part of a millisecond that the inner hop rounds down; and the median bears a
    // machine that other work shares.
    expect(times[0]).toBeGreaterThanOrEqual(49);
    expect(times[times.length >> 1]).toBeLessThanOrEqual(70);
    const seen = await eventually("the handler sees every cancel", 5000, async () => {
      const cancels = sleeper.lines.filter((line) => line.includes('"cancelled"'));
      return cancels.length >= replies.length ? cancels : undefined;
    });
    const afterMs = seen.map((line) => (JSON.parse(line) as { afterMs: number }).afterMs).sort((a, b) => a - b);
    expect(afterMs[afterMs.length >> 1]).toBeLessThanOrEqual(80);
  } finally {
    connection.close();
  }
});

test("a handler that is done in time is not disturbed by a deadline", async () => {
  const connection = await openRawHttp2(stack.gateway);
  try {
    const reply = await connection.call("/e2e.Sleeper/Sleep", Buffer.from("20"), { "grpc-timeout": "5S" });
    expect(reply.grpcStatus).toBe("0");
    expect(reply.ms).toBeGreaterThanOrEqual(20);
  } finally {
    connection.close();
  }
});
