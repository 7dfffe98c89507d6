// What must hold before a change is merged, as data: `npm run lint`, `npm run check` and `.ci/run` run this list, so
// that none can forget a step of the others. check.ts runs it.

export interface Step {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** `one`: the exit code is the result. `vitest`: each test counts, from vitest's JSON report. */
  readonly counts: "one" | "vitest";
  /** `lint` reads files only; `e2e` starts whole systems and needs the tools and servers that `.ci/run` gets. */
  readonly group: "lint" | "check" | "e2e";
  readonly limitMinutes: number;
}

const lint = (name: string, command: string, ...args: readonly string[]): Step => {
  return { name, command, args, counts: "one", group: "lint", limitMinutes: 3 };
};

export const steps: readonly Step[] = [
  { name: "type check", command: "tsc", args: ["--noEmit"], counts: "one", group: "check", limitMinutes: 3 },
  { name: "format", command: "biome", args: ["format"], counts: "one", group: "check", limitMinutes: 3 },
  lint("lint", "biome", "lint", "--error-on-warnings"),
  lint("import rules", "node", "scripts/check-imports.ts"),
  lint("size limits", "node", "scripts/check-limits.ts"),
  lint("proto lint", "buf", "lint"),
  lint("proto compatible with released images", "node", "scripts/check-released.ts"),
  lint("generated code is fresh", "node", "scripts/check-generated.ts"),
  lint("generated docs are fresh", "node", "scripts/generate-docs.ts", "--check"),
  lint("docs name what is there", "node", "scripts/check-docs.ts"),
  { name: "tests", command: "npm", args: ["test", "--"], counts: "vitest", group: "check", limitMinutes: 5 },
  {
    ...{ name: "HTTP/2 and proxy without header caches", command: "npm", args: ["run", "test:uncached", "--"] },
    ...{ counts: "vitest", group: "check", limitMinutes: 5 },
  },
  { name: "end to end", command: "npm", args: ["run", "e2e", "--"], counts: "vitest", group: "e2e", limitMinutes: 12 },
  {
    ...{ name: "attacks", command: "npm", args: ["run", "attack", "--", "--quick", "--json"] },
    ...{ counts: "one", group: "e2e", limitMinutes: 3 },
  },
  {
    // Half of the ratio that bench/README.md's command measures; the only timing that decides a check.
    ...{ name: "speed beside HAProxy", command: "npm" },
    args: [
      ...["run", "bench:proxy", "--", "--peers", "ferry,haproxy", "--workloads", "8x32 64B"],
      ...["--runs", "3", "--seconds", "1", "--least-ratio", "0.5", "--json"],
    ],
    ...{ counts: "one", group: "e2e", limitMinutes: 4 },
  },
  {
    ...{ name: "fuzzing HTTP/2", command: "npm", args: ["run", "fuzz:http2", "--", "--seconds", "60", "--json"] },
    ...{ counts: "one", group: "e2e", limitMinutes: 3 },
  },
  {
    ...{ name: "tests on real servers", command: "npm", args: ["run", "test:int", "--"] },
    ...{ counts: "vitest", group: "e2e", limitMinutes: 10 },
  },
  {
    ...{ name: "journey on real servers", command: "npm", args: ["run", "e2e:backends", "--", "--json"] },
    ...{ counts: "one", group: "e2e", limitMinutes: 10 },
  },
];
