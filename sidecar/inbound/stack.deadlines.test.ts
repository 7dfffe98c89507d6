import { expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { emptyBody } from "../http2/body.ts";
import { fieldValue, HeaderField } from "../http2/header-field.ts";
import { type Answer, ScriptedMesh } from "../outbound/testing/scripted-mesh.ts";
import { ReceivedCall } from "../received-call.ts";
import { inboundStack } from "./stack.ts";

/** A call of 50 ms through the real inbound stack, before an application that answers by script. */
function start(answers: Answer[], waitedMs = 0) {
  const mesh = new ScriptedMesh();
  mesh.serve({ app: answers });
  const service = inboundStack(
    { app: { host: "app", port: 1 }, appName: "s", maxCallsInFlight: 10 },
    { clock: mesh.clock, random: seededRandom(3), sender: mesh, recorders: [], reportDefect: () => {} },
  );
  const all = { ":method": "POST", ":path": "/s/M", "content-type": "application/grpc", "grpc-timeout": "50m" };
  const fields = Object.entries(all).map(([name, value]) => new HeaderField(name, value));
  const call = new ReceivedCall(
    { fields, body: emptyBody, endsWithHead: true, peer: undefined },
    { nowMs: () => mesh.clock.nowMs() - waitedMs, randomHex: () => "0", sampleNew: () => false },
  );
  const result = service(call).then(({ fields }) => ({
    status: fieldValue(fields, "grpc-status"),
    failure: fieldValue(fields, "x-ferry-failure"),
  }));
  return { mesh, result };
}

test("the application is told at the deadline, though the calling sidecar is gone", async () => {
  const { mesh, result } = start([{ kind: "never" }]);
  await mesh.clock.advance(49);
  expect(mesh.sent[0]?.cancelled).toBe(false);
  await mesh.clock.advance(1);
  expect(mesh.sent[0]?.cancelled).toBe(true);
  expect(await result).toEqual({ status: "4", failure: "deadline_exceeded" });
});

test("the application gets the time that is left, and nothing when none is", async () => {
  const { mesh } = start([{ kind: "never" }], 20);
  await mesh.clock.advance(0);
  expect(fieldValue(mesh.sent[0]!.fields, "grpc-timeout")).toBe("30000u");
  const late = start([{ kind: "never" }], 50);
  expect(await late.result).toEqual({ status: "4", failure: "deadline_exceeded" });
  expect(late.mesh.sent).toHaveLength(0);
});

test("an application that keeps the deadline itself has timed out", async () => {
  const { mesh, result } = start([{ kind: "later", afterMs: 48, answer: { kind: "cancel_stream" } }]);
  await mesh.clock.advance(50);
  expect(await result).toEqual({ status: "4", failure: "deadline_exceeded" });
});
