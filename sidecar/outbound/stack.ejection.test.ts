import { expect, test } from "vitest";
import { type Answer, ScriptedMesh } from "./testing/scripted-mesh.ts";

const ok: Answer = { kind: "status", status: 0, message: "fine" };
const broken: Answer = { kind: "trailers_only", status: 13 };
const ejection = { consecutiveFailures: 3 };

async function endpointsOf(mesh: ScriptedMesh, calls: number): Promise<string[]> {
  const before = mesh.sent.length;
  for (let i = 0; i < calls; i++) await mesh.call();
  return mesh.sent.slice(before).map((sent) => sent.endpoint);
}

test("ejects an endpoint after 3 failures in a row and probes it with one call when its time is over", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [broken, broken, broken, ok], b: [ok] }, { policy: { ejection } });
  await endpointsOf(mesh, 6);
  expect(mesh.changes).toEqual(["a ejected"]);
  expect(await endpointsOf(mesh, 4)).toEqual(["b", "b", "b", "b"]);
  await mesh.clock.advance(1_500);
  expect((await endpointsOf(mesh, 2)).sort()).toEqual(["a", "b"]);
  expect(mesh.changes).toEqual(["a ejected", "a probing", "a admitted"]);
});

test("a failure in trailers counts as much as one in the header", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [{ kind: "status", status: 13 }], b: [ok] }, { policy: { ejection } });
  await endpointsOf(mesh, 6);
  expect(mesh.changes).toEqual(["a ejected"]);
});

test("when all are ejected they are used all the same", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [broken], b: [broken] }, { policy: { ejection } });
  expect(await endpointsOf(mesh, 10)).toHaveLength(10);
});

test("a new snapshot does not admit again what was ejected", async () => {
  const mesh = new ScriptedMesh();
  mesh.serve({ a: [broken], b: [ok] }, { policy: { ejection } });
  await endpointsOf(mesh, 6);
  mesh.serve({ a: [ok], b: [ok] }, { policy: { ejection } });
  expect(await endpointsOf(mesh, 4)).toEqual(["b", "b", "b", "b"]);
});
