import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { layersOf } from "../scripts/check-docs.ts";
import { outboundLayers } from "./layers.ts";

test("the benchmark has the layers of the way out, in their order", () => {
  const source = readFileSync(new URL("../sidecar/outbound/stack.ts", import.meta.url), "utf8");
  // The end is not a layer; what a gateway answers by itself is no function of the list.
  const layers = layersOf(source).filter((name) => name !== "dial");
  expect(outboundLayers.map(([name]) => name)).toEqual(layers);
});
