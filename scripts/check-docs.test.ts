import { describe, expect, test } from "vitest";
import { checkPage, layersOf } from "./check-docs.ts";

describe("checkPage", () => {
  const exists = (path: string) => ["docs/a.md", "sidecar/call.ts", "sidecar/http2/"].includes(path);
  const found = (text: string) => checkPage("docs/b.md", text, exists).map((problem) => problem.found);

  test("follows relative links and leaves others alone", () => {
    expect(found("[a](a.md) [a](a.md#part) [b](../sidecar/call.ts) [c](https://x.y) [d](#here)")).toEqual([]);
    expect(found("[a](gone.md)")).toEqual(["gone.md"]);
  });

  test("looks for paths in backticks, not in code blocks, not for patterns", () => {
    expect(found("`sidecar/call.ts` `sidecar/http2/` `npm run x` `services/*/settings.ts`")).toEqual([]);
    expect(found("`sidecar/gone.ts`")).toEqual(["sidecar/gone.ts"]);
    expect(found("```\n`sidecar/gone.ts`\n```\n")).toEqual([]);
  });
});

describe("layersOf", () => {
  test("names the layers in order, and nothing inside their arguments", () => {
    const source = "function f() { return stack(a(x, y(1)), // why\n b({ c: d(2) }), e.f ?? pass, last(z)); }";
    expect(layersOf(source)).toEqual(["a", "b", "last"]);
  });
});
