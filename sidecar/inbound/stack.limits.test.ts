import { expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { ProxyFailure } from "../failure.ts";
import { emptyBody } from "../http2/body.ts";
import { fieldValue, HeaderField } from "../http2/header-field.ts";
import { type Answer, ScriptedMesh } from "../outbound/testing/scripted-mesh.ts";
import { ReceivedCall } from "../received-call.ts";
import { readPolicy } from "../routing/mesh-config/ferry-settings.ts";
import { InboundRules } from "./inbound-rules.ts";
import { inboundStack } from "./stack.ts";

const ok: Answer = { kind: "trailers_only", status: 0 };

/** The real inbound stack before an application that answers by script, under settings as a team would write them. */
class Inbound {
  readonly mesh = new ScriptedMesh();
  readonly rules = new InboundRules("s", this.mesh.clock);
  readonly #service = inboundStack(
    { app: { host: "app", port: 1 }, appName: "s", maxCallsInFlight: 10_000 },
    {
      clock: this.mesh.clock,
      random: seededRandom(3),
      sender: this.mesh,
      recorders: [],
      rules: this.rules,
      reportDefect: (error) => {
        throw error;
      },
    },
  );

  constructor(settings: Record<string, string>, answers: Answer[] = [ok]) {
    this.mesh.serve({ app: answers });
    this.apply(settings);
  }

  apply(settings: Record<string, string>): void {
    const { policy, problems } = readPolicy([{ origin: "test", values: settings }]);
    expect(problems).toEqual([]);
    this.rules.apply(structuredClone(policy));
  }

  start(header: Record<string, string> = {}) {
    const all = { ":method": "POST", ":path": "/s.S/M", "content-type": "application/grpc", ...header };
    const fields = Object.entries(all).map(([name, value]) => new HeaderField(name, value));
    const call = new ReceivedCall(
      { fields, body: emptyBody, endsWithHead: true, peer: undefined },
      { nowMs: () => this.mesh.clock.nowMs(), randomHex: () => "0", sampleNew: () => false },
    );
    return { call, head: this.#service(call) };
  }

  /** How a call ends, and what it is told to wait. */
  async call(header: Record<string, string> = {}) {
    const { fields } = await this.start(header).head;
    return {
      status: fieldValue(fields, "grpc-status"),
      failure: fieldValue(fields, "x-ferry-failure"),
      pushback: fieldValue(fields, "grpc-retry-pushback-ms"),
    };
  }

  /** How many of `count` calls get through. */
  async through(count: number, header: Record<string, string> = {}): Promise<number> {
    const ends = await Promise.all(Array.from({ length: count }, () => this.call(header)));
    return ends.filter(({ status }) => status === "0").length;
  }
}

const web = { "x-ferry-source": "web" };
const batch = { "x-ferry-source": "batch" };
const passed = { status: "0", failure: undefined, pushback: undefined };

test("until the service's settings are there it has 1024 places", async () => {
  const inbound = new Inbound({}, [{ kind: "never" }]);
  for (let i = 0; i < 1_100; i++) void inbound.start();
  await inbound.mesh.clock.advance(0);
  expect(inbound.mesh.sent).toHaveLength(1_024);
});

test("ferry_inbound_max_calls get in, ferry_inbound_max_pending wait, the rest is refused", async () => {
  const settings = { ferry_inbound_max_calls: "2", ferry_inbound_max_pending: "1" };
  const inbound = new Inbound(settings, [{ kind: "never" }]);
  const first = inbound.start();
  inbound.start();
  inbound.start();
  await inbound.mesh.clock.advance(0);
  expect(inbound.mesh.sent).toHaveLength(2);
  const refused = await inbound.call();
  expect(refused).toMatchObject({ status: "14", failure: "overloaded" });
  expect(Number(refused.pushback)).toBeGreaterThan(0);
  first.call.cancel(new ProxyFailure("cancelled", "", "test wants its place"));
  await inbound.mesh.clock.advance(0);
  expect(inbound.mesh.sent).toHaveLength(3);
});

test("who asks for the application's health is never refused", async () => {
  const settings = { ferry_inbound_max_calls: "1", ferry_inbound_rate_limit: "1/h" };
  const inbound = new Inbound(settings, [{ kind: "never" }, ok]);
  inbound.start();
  await inbound.mesh.clock.advance(0);
  const check = { ":path": "/grpc.health.v1.Health/Check" };
  expect(await inbound.through(5, check)).toBe(5);
});

test("a rate is a burst at once, then so many a second; who is refused is told when", async () => {
  const inbound = new Inbound({ ferry_inbound_rate_limit: "10/s burst 3" });
  expect(await inbound.through(5)).toBe(3);
  expect(await inbound.call()).toEqual({ status: "8", failure: "rate_limited", pushback: "100" });
  await inbound.mesh.clock.advance(75);
  expect(await inbound.call()).toMatchObject({ pushback: "25" });
  await inbound.mesh.clock.advance(25);
  expect(await inbound.call()).toEqual(passed);
  await inbound.mesh.clock.advance(60_000);
  expect(await inbound.through(5)).toBe(3);
});

test("a rate of one source leaves the others alone", async () => {
  const inbound = new Inbound({ ferry_inbound_rate_limit: "web=2/s" });
  expect(await inbound.through(10, web)).toBe(2);
  expect(await inbound.through(10, batch)).toBe(10);
  expect(await inbound.through(10)).toBe(10);
});

test("* is for each other source by itself, and a rate without a source for all together", async () => {
  const each = new Inbound({ ferry_inbound_rate_limit: "web=5/s, *=2/s" });
  expect(await each.through(10, web)).toBe(5);
  expect(await each.through(10, batch)).toBe(2);
  expect(await each.through(10, { "x-ferry-source": "cron" })).toBe(2);
  expect(await each.through(10)).toBe(2);
  const all = new Inbound({ ferry_inbound_rate_limit: "6/s,web=4/s" });
  expect(await all.through(10, web)).toBe(4);
  expect(await all.through(10, batch)).toBe(2);
});

test("sources beyond 256, and names that no service can have, share one bucket", async () => {
  const inbound = new Inbound({ ferry_inbound_rate_limit: "*=1/h" });
  let through = 0;
  for (let i = 0; i < 1_000; i++) through += await inbound.through(1, { "x-ferry-source": `service-${i}` });
  expect(through).toBe(257);
  expect(await inbound.through(1, { "x-ferry-source": "No Service" })).toBe(0);
});

test("what one key covers shares a bucket; a method with a rate of its own has its own", async () => {
  const inbound = new Inbound({
    ferry_inbound_rate_limit: "3/s",
    "ferry_inbound_rate_limit:s.S/Dear": "1/s",
    // A setting of another kind: the method still shares what holds for all.
    "ferry_retries:s.S/Other": "1",
  });
  expect(await inbound.through(5, { ":path": "/s.S/Dear" })).toBe(1);
  expect(await inbound.through(2, { ":path": "/s.S/Other" })).toBe(2);
  expect(await inbound.through(5)).toBe(1);
});

test("a change of settings fills no bucket, and none takes the limit away", async () => {
  const inbound = new Inbound({ ferry_inbound_rate_limit: "2/h burst 2" });
  expect(await inbound.through(3)).toBe(2);
  inbound.apply({ ferry_inbound_rate_limit: "50/h", ferry_retries: "1" });
  expect(await inbound.through(3)).toBe(0);
  inbound.apply({ ferry_inbound_rate_limit: "none" });
  expect(await inbound.through(3)).toBe(3);
});

test("with ferry_inbound_adaptive_limit a method gets about the places that its application can use", async () => {
  const inbound = new Inbound({ "ferry_inbound_adaptive_limit:s.S/M": "on" });
  const { mesh, rules } = inbound;
  const places = () => [...rules.adaptive()].map(({ own }) => own.places)[0]!;
  // 10 calls at once in 10 ms each; what is more waits in the application.
  mesh.delayMs = () => Math.max(10, places().inFlight);
  for (let round = 0; round < 400; round++) {
    for (let i = 0; i < 30; i++) void inbound.start({ "x-ferry-priority": "critical" });
    await mesh.clock.advance(10);
  }
  expect(places().limit).toBeGreaterThanOrEqual(10);
  expect(places().limit).toBeLessThan(22);
  mesh.delayMs = () => 0;
  expect(await inbound.through(500, { ":path": "/s.S/Other" })).toBe(500);
});

test("without it no method has a limit of its own", async () => {
  const inbound = new Inbound({});
  await inbound.through(100);
  expect([...inbound.rules.adaptive()]).toEqual([]);
});
