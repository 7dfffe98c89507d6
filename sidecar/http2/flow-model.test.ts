// Random operations on a connection in either role against a peer that keeps exact books, see testing/flow-model.ts.
// fast-check prints the seed that failed; more operations: node sidecar/http2/testing/flow-model.ts server 1000000 1.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runFlowModel } from "./testing/flow-model.ts";

const operations = 5000;

describe.each(["server", "client"] as const)("a %s", (role) => {
  // Over 200 ms: some 20,000 operations, with 15 MB in each direction.
  test("never exceeds a window, loses no credit, and mixes no streams, whatever happens to them", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const counts = await runFlowModel({ role, operations, seed });
        expect(counts.opened).toBeGreaterThan(50);
      }),
      { numRuns: 4, endOnFailure: true },
    );
  });
});
