import { expect, test } from "vitest";
import { ejectedByUpstream, endpointsOf } from "./admin-view.ts";
import type { DataPlane } from "./data-plane.ts";
import { ScriptedMesh } from "./outbound/testing/scripted-mesh.ts";

test("an operator sees which endpoints are out, as a whole or for which methods, and how many they are", async () => {
  const mesh = new ScriptedMesh();
  const traits = { kind: "unary", idempotent: false } as const;
  const policy = { retry: { retries: 0 }, ejection: { consecutiveFailures: 3, maxEjectedPercent: 100 } };
  mesh.serve(
    { a: [{ kind: "status", status: 13 }], b: [{ kind: "refuse_connection" }], c: [{ kind: "status", status: 0 }] },
    { traits, policy },
  );
  for (let i = 0; i < 9; i++) await mesh.call();
  const data = mesh as unknown as DataPlane;
  expect(endpointsOf(data).map(({ instanceId, admission }) => [instanceId, admission])).toEqual([
    ["a", "admitted; ejected for /s/M"],
    ["b", "ejected"],
    ["c", "admitted"],
  ]);
  expect(ejectedByUpstream(data)).toEqual({ s: 2 });
});
