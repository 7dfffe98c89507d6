// The product: services that know nothing of Ferry, served through the gateway by `ferry run`.

import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "./testing/eventually.ts";
import { ferry, type Running, root, startFerry } from "./testing/ferry.ts";
import { freePort } from "./testing/free-port.ts";
import { GrpcClient } from "./testing/grpc-client.ts";
import { makeHome } from "./testing/home.ts";
import { startStack, type TestStack } from "./testing/stack.ts";
import { findPython } from "./testing/tools.ts";

let stack: TestStack;
let python: string;

beforeAll(async () => {
  python = await findPython();
  stack = await startStack();
}, 240_000);
afterAll(() => stack?.dispose());

function run(args: string[], program: string[]): Running {
  return startFerry(["run", "--mesh-config", stack.meshConfig, "--json", ...args, "--", ...program], {
    home: stack.home.path,
  });
}

test("a Python server with health and reflection is found by the gateway with no setting at all", async () => {
  const port = await freePort();
  const service = ["--service", "greeter", "--app", `127.0.0.1:${port}`];
  const greeter = run(service, [python, `${root}/examples/greeter-python/server.py`, `${port}`]);
  try {
    const ready = await greeter.event("ready", 60_000);
    expect(ready).toMatchObject({ service: "greeter", gateway: stack.gateway });
    const greeted = await eventually("the gateway serves it", 10_000, async () => {
      const { json } = await ferry(["call", "greeter.v1.Greeter/SayHello", '{"name":"Ada"}', "--json"], {
        home: stack.home.path,
      });
      return json?.code === "OK" ? json : undefined;
    });
    expect(greeted.messages[0].text).toContain(`Hello Ada, from Python process ${ready.appPid}`);
    const stream = await stack.call("greeter.v1.Greeter/SayHellos", { name: "Ada", count: 3 });
    expect(stream.messages).toHaveLength(3);
    const { json: status } = await stack.status();
    expect(status?.troubles).toEqual([]);
    expect(status?.services.map(({ name }: { name: string }) => name)).toContain("greeter");
  } finally {
    greeter.signal("SIGTERM");
  }
  expect(await greeter.exited, greeter.stderr).toEqual({ code: 0, signal: null });
  const gone = await ferry(["call", "greeter.v1.Greeter/SayHello", '{"name":"Ada"}', "--json"], {
    home: stack.home.path,
  });
  expect(gone.json).toMatchObject({ ok: false, code: "UNAVAILABLE", failure: "no_endpoint" });
});

test("a Python server with neither is served once its gRPC service is named", async () => {
  const port = await freePort();
  const echo = run(
    ["--service", "echo", "--app", `127.0.0.1:${port}`, "--grpc-service", "e2e.Echo", "--upstream", "quote-query"],
    [python, `${root}/e2e/testing/echo.py`, `${port}`],
  );
  try {
    const ready = await echo.event("ready", 60_000);
    const client = new GrpcClient(stack.gateway);
    const reply = await eventually("the gateway routes to it", 10_000, async () => {
      const result = await client.raw("/e2e.Echo/Echo", Buffer.from("anybody there?"));
      return result.code === "OK" ? result : undefined;
    });
    client.close();
    // It answers with its request and the environment that `ferry run` gave it.
    const [text, outbound, upstream] = String(reply.reply).split("\n");
    expect(text).toBe("anybody there?");
    expect(outbound).toBe(ready.outbound);
    expect(upstream).toBe(ready.upstreams["quote-query"]);
    expect(upstream).toMatch(/^127\.0\.0\.1:\d+$/);
  } finally {
    echo.signal("SIGTERM");
  }
  // It has no handler for SIGTERM: the signal ended it, and a shell's 128 + 15 says so.
  expect(await echo.exited, echo.stderr).toEqual({ code: 143, signal: null });
  const late = new GrpcClient(stack.gateway);
  const { code, message } = await late.raw("/e2e.Echo/Echo", Buffer.from("still there?"));
  late.close();
  expect(code, message).toBe("UNAVAILABLE");
});

test("ferry run ends with the command's own exit code, and nothing is left", async () => {
  const home = makeHome();
  try {
    const args = ["run", "--service", "brief", "--app", "127.0.0.1:0", "--", "sh", "-c", "exit 7"];
    const { code, stdout } = await ferry(args, { home: home.path });
    expect({ code, told: stdout.includes("ended with exit code 7") }).toEqual({ code: 7, told: true });
    expect(await home.leftOver()).toEqual([]);
  } finally {
    home.remove();
  }
});

test("a command that never listens is told so after the start's time, and is stopped", async () => {
  const home = makeHome();
  try {
    const args = ["run", "--service", "deaf", "--app", "127.0.0.1:0", "--start-timeout", "2s", "--", "sleep", "60"];
    const { code, stderr } = await ferry(args, { home: home.path });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ferry: the command was not healthy on 127\.0\.0\.1:\d+ after 2000 ms/m);
    expect(await home.leftOver()).toEqual([]);
  } finally {
    home.remove();
  }
});

test("a kill -9 of ferry run itself leaves neither the command nor the sidecar behind", async () => {
  const home = makeHome();
  try {
    const args = ["run", "--service", "orphan", "--app", "127.0.0.1:0", "--", "sleep", "600"];
    const orphan = startFerry(args, { home: home.path });
    await orphan.waitFor((line) => (/ferry: orphan-\d+ \(pid/.test(line) ? line : undefined), 30_000);
    expect(home.processes().length).toBeGreaterThanOrEqual(4);
    orphan.signal("SIGKILL");
    await orphan.exited;
    await eventually("everything has ended", 20_000, async () => (home.processes().length === 0 ? true : undefined));
  } finally {
    home.remove();
  }
});
