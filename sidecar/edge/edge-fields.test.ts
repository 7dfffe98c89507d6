import { expect, test } from "vitest";
import { HeaderField } from "../http2/header-field.ts";
import { withoutControlFields } from "./edge-fields.ts";

const fields = (...names: string[]) => names.map((name) => new HeaderField(name, "v"));

test("x-ferry-* go, everything else stays as the same objects in the same order", () => {
  const all = fields(":path", "x-ferry-priority", "a", "x-ferry-source", "x-ferryman", "b", "x-ferry-fault-delay");
  expect(withoutControlFields(all)).toEqual([all[0], all[2], all[4], all[5]]);
});

test("a header without them is passed on as it is", () => {
  const all = fields(":path", "te");
  expect(withoutControlFields(all)).toBe(all);
});
