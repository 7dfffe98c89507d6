// What must hold before a change is merged, as data: `npm run check` and `.ci/run` run this list, so that neither can
// forget a step of the other. check.ts runs it.

export interface Step {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** `one`: the exit code is the result. `vitest`: each test counts, from vitest's JSON report. */
  readonly counts: "one" | "vitest";
  /** `e2e` starts whole systems and needs the tools that `.ci/run` installs; it runs only where asked. */
  readonly group: "check" | "e2e";
  readonly limitMinutes: number;
}

const check = (name: string, command: string, ...args: readonly string[]): Step => {
  return { name, command, args, counts: "one", group: "check", limitMinutes: 3 };
};

export const steps: readonly Step[] = [
  check("type check", "tsc", "--noEmit"),
  check("format", "biome", "format"),
  check("lint", "biome", "lint", "--error-on-warnings"),
  check("import rules", "node", "scripts/check-imports.ts"),
  check("size limits", "node", "scripts/check-limits.ts"),
  check("proto lint", "buf", "lint"),
  check("proto compatible with released images", "node", "scripts/check-released.ts"),
  check("generated code is fresh", "node", "scripts/check-generated.ts"),
  check("generated docs are fresh", "node", "scripts/generate-docs.ts", "--check"),
  check("docs name what is there", "node", "scripts/check-docs.ts"),
  { name: "tests", command: "npm", args: ["test", "--"], counts: "vitest", group: "check", limitMinutes: 5 },
  { name: "end to end", command: "npm", args: ["run", "e2e", "--"], counts: "vitest", group: "e2e", limitMinutes: 12 },
];
