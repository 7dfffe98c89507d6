// docs/performance.md: each benchmark owns one part of the page, between its marks, and writes it with `--write`. What
// stands outside the marks is written by hand and stays. Used by every benchmark that has a part.

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

const file = fileURLToPath(new URL("../docs/performance.md", import.meta.url));

/** `page` with what stands between the marks of `name` replaced by `text`. Pure. Throws when it has no such marks. */
export function replacePart(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/performance.md: expected ${begin} and ${end} behind it`);
  return `${page.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${page.slice(to)}`;
}

/** Writes the part of the benchmark `name`, as `bench:proxy`. */
export function writePart(name: string, text: string): void {
  writeFileSync(file, replacePart(readFileSync(file, "utf8"), name, text));
}

/** Where the figures of a part were made, as a sentence. `args`: the command's own. */
export function madeBy(name: string, args: readonly string[]): string {
  const options = args.filter((arg) => arg !== "--write").map((arg) => (/[ "]/.test(arg) ? `"${arg}"` : arg));
  const given = options.length === 0 ? "" : ` ${options.join(" ")}`;
  const cores = cpus();
  return (
    `Made by \`npm run ${name} --${given} --write\`; do not edit. ${cores.length} cores of ` +
    `${cores[0]?.model.trim() ?? "an unknown make"}, Linux, Node ${process.versions.node}.`
  );
}
