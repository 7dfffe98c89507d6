// Two of the incidents that `npm run e2e:incidents` plays: the shortest that needs retries, and one with a drain.

import { afterAll, beforeAll, expect, test } from "vitest";
import { playIncident } from "./incidents/incident.ts";
import { incidents } from "./incidents/incidents.ts";
import { QueryMesh } from "./incidents/query-mesh.ts";

let mesh: QueryMesh;

beforeAll(async () => {
  mesh = await QueryMesh.start();
});
afterAll(async () => {
  expect(await mesh?.stop()).toEqual([]);
});

test.each(["kill -9 of both", "rolling restart"])("%s fails no idempotent call under a steady load", async (name) => {
  const incident = incidents.find((one) => one.name === name)!;
  const { row, problems } = await playIncident(incident, mesh);
  expect(problems).toEqual([]);
  expect(row).toMatchObject({ failed: 0 });
  expect(row.calls).toBeGreaterThan(400);
  expect(row.amplification).toBeLessThanOrEqual(1.2);
});
