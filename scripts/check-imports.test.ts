import { describe, expect, test } from "vitest";
import { checkImports } from "./check-imports.ts";
import { findCycles } from "./import-cycles.ts";

/** What is reported for a small tree: `file:line: found: rule`, rules cut at 40 characters. */
function problemsOf(files: Record<string, string>): string[] {
  const { problems } = checkImports(new Map(Object.entries(files)));
  return problems.map(({ file, line, found, rule }) => `${file}:${line}: ${found}: ${rule.slice(0, 40)}`);
}

describe("checkImports", () => {
  test("allows what the table lists and gen/ everywhere", () => {
    const files = {
      "common/clock.ts": "",
      "gen/a_pb.ts": "",
      "sidecar/http2/frames.ts": 'import { a } from "../../common/clock.ts";\nimport { b } from "../../gen/a_pb.ts";',
    };
    expect(problemsOf(files)).toEqual([]);
  });

  test("refuses the wrong direction and names file, line and rule", () => {
    const files = { "common/a.ts": 'import { x }\n  from "../sidecar/call.ts";', "sidecar/call.ts": "" };
    expect(problemsOf(files)).toEqual(["common/a.ts:1: ../sidecar/call.ts: not allowed from common: all may import "]);
  });

  test("refuses services that import the sidecar, in tests too", () => {
    const files = { "services/kit/a.test.ts": 'import "../../sidecar/call.ts";', "sidecar/call.ts": "" };
    expect(problemsOf(files)).toHaveLength(1);
  });

  test("allows types where the table says types, and nothing more", () => {
    const shape = { "sidecar/discovery/registry.ts": "" };
    const from = "sidecar/routing/match.ts";
    const specifier = "../discovery/registry.ts";
    expect(problemsOf({ ...shape, [from]: `import type { A } from "${specifier}";` })).toEqual([]);
    expect(problemsOf({ ...shape, [from]: `import { type A, type B } from "${specifier}";` })).toEqual([]);
    expect(problemsOf({ ...shape, [from]: `import { type A, B } from "${specifier}";` })).toHaveLength(1);
  });

  test("sees dynamic imports, and none in strings and comments", () => {
    const target = { "sidecar/call.ts": "" };
    expect(problemsOf({ ...target, "common/a.ts": 'await import("../sidecar/call.ts");' })).toHaveLength(1);
    const quoted = '// import "../sidecar/call.ts"\nconst a = `import "../sidecar/call.ts"`;';
    expect(problemsOf({ ...target, "common/a.ts": quoted })).toEqual([]);
  });

  test("refuses a barrel, a default export, a missing ending and a file in no zone", () => {
    const b = { "common/b.ts": "" };
    expect(problemsOf({ ...b, "common/a.ts": 'export { x } from "./b.ts";' })[0]).toContain("no barrels");
    expect(problemsOf({ ...b, "common/a.ts": 'export type { X } from "./b.ts";' })).toEqual([]);
    expect(problemsOf({ "common/a.ts": "export default 1;" })[0]).toContain("no default exports");
    expect(problemsOf({ ...b, "common/a.ts": 'import { x } from "./b";' })[0]).toContain("end in .ts");
    expect(problemsOf({ ...b, "odd/a.ts": 'import { x } from "../common/b.ts";' })[0]).toContain("in no zone");
  });

  test("refuses process.env and real time outside their doors", () => {
    const source = "process.env.A;\nsetTimeout(f, 1);\nDate.now();\nnew Date();\nperformance.now();";
    expect(problemsOf({ "sidecar/a.ts": source })).toHaveLength(5);
    expect(problemsOf({ "sidecar/a.test.ts": source })).toEqual([]);
    expect(problemsOf({ "sidecar/main.ts": source })).toHaveLength(4);
    expect(problemsOf({ "sidecar/a.ts": "call.setTimeout(1); new Date(0);" })).toEqual([]);
  });

  test("reports a cycle of values and lets a cycle of types pass", () => {
    const back = { "common/b.ts": 'import { a } from "./a.ts";' };
    expect(problemsOf({ ...back, "common/a.ts": 'import { b } from "./b.ts";' })).toHaveLength(1);
    expect(problemsOf({ ...back, "common/a.ts": 'import type { b } from "./b.ts";' })).toEqual([]);
  });
});

describe("findCycles", () => {
  test("finds each cycle once, a self-import too", () => {
    const edges = { a: ["b"], b: ["c"], c: ["a", "d"], d: ["d"], e: ["a"] };
    const cycles = findCycles(new Map(Object.entries(edges)));
    expect(cycles.map((cycle) => cycle.join(" "))).toEqual(["d d", "a b c a"]);
  });
});
