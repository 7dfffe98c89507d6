// Freezes the contracts of a release: `node scripts/release-proto.ts` builds proto/ into
// proto/released/v<package version>.binpb. A released image is never changed: the command refuses to overwrite one.

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { runTool } from "./run-tool.ts";
import { root } from "./tracked-files.ts";

const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { version: string };
const image = `proto/released/v${version}.binpb`;

if (existsSync(root + image)) {
  console.error(`release-proto: ${image} exists; raise the version in package.json first`);
  process.exitCode = 1;
} else {
  mkdirSync(`${root}proto/released`, { recursive: true });
  const { code, output } = runTool("buf", ["build", "proto", "-o", image]);
  console.log(code === 0 ? `release-proto: wrote ${image}` : `release-proto: buf build failed: ${output}`);
  process.exitCode = code === 0 ? 0 : 1;
}
