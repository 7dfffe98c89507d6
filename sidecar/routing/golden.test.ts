// testdata/*.in.json: config entries in, the chain of one service or the problems out. `files` holds what a mesh-config
// directory would (text stands for a file that is not JSON). After a wanted change of the output, run
// `npx vitest run -u sidecar/routing/golden` and read the difference.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compileChain } from "./local-compiler.ts";
import type { ConfigEntry } from "./mesh-config/config-entry.ts";
import { checkMeshConfig } from "./mesh-config/mesh-config.ts";
import { parseConfigEntry } from "./mesh-config/parse-config-entry.ts";
import type { Problem } from "./mesh-config/problem.ts";

interface Golden {
  readonly about: string;
  /** Whose chain is compiled. */
  readonly service: string;
  readonly files: Readonly<Record<string, unknown>>;
}

function outcomeOf({ files, service }: Golden): unknown {
  const problems: Problem[] = [];
  const entries: ConfigEntry[] = [];
  for (const [file, content] of Object.entries(files)) {
    const parsed = parseConfigEntry(typeof content === "string" ? content : JSON.stringify(content), file);
    if (parsed.ok) entries.push(parsed.entry);
    else problems.push(...parsed.problems);
  }
  if (problems.length > 0) return { problems };
  const checked = checkMeshConfig(entries);
  if (!checked.ok) return { problems: checked.problems };
  const compiled = compileChain(checked.config.set, service);
  const chain = compiled.ok ? compiled.chain : compiled.problem;
  return checked.config.notices.length === 0 ? { chain } : { chain, notices: checked.config.notices };
}

describe("golden", () => {
  const folder = join(import.meta.dirname, "testdata");
  for (const name of readdirSync(folder)
    .filter((file) => file.endsWith(".in.json"))
    .sort()) {
    const path = join(folder, name);
    const golden: Golden = JSON.parse(readFileSync(path, "utf8"));
    test(`${name}: ${golden.about}`, async () => {
      const text = `${JSON.stringify(outcomeOf(golden), undefined, 2)}\n`;
      await expect(text).toMatchFileSnapshot(path.replace(".in.json", ".out"));
    });
  }
});
