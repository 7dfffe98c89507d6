// Checks that proto/ still understands everything that was ever released: `buf breaking` against every image in
// proto/released/. Run by `npm run lint`; ends with 1 on a breaking change, 2 when the check itself could not be made
// (no images, an unreadable one, buf missing), so that a check that did not happen is never taken for one that passed.

import { existsSync, readdirSync } from "node:fs";
import { runTool } from "./run-tool.ts";
import { root } from "./tracked-files.ts";

export type Verdict = "compatible" | "breaking" | "error";

export interface ReleaseCheck {
  /** The image's file name, or the folder when it holds none. */
  readonly image: string;
  readonly verdict: Verdict;
  /** What buf said; empty when compatible. */
  readonly detail: string;
}

// What buf documents as its exit code for findings; 1 is any other failure.
const bufFindings = 100;

/** Compares the module in `protoDir` with each image in `releasedDir`, oldest name first. */
export function checkReleased(protoDir: string, releasedDir: string): readonly ReleaseCheck[] {
  const images = existsSync(releasedDir) ? readdirSync(releasedDir).filter((name) => name.endsWith(".binpb")) : [];
  if (images.length === 0) {
    const detail = "no released image (*.binpb); `node scripts/release-proto.ts` makes one";
    return [{ image: releasedDir, verdict: "error", detail }];
  }
  return images.sort().map((image) => {
    const { code, output } = runTool("buf", ["breaking", protoDir, "--against", `${releasedDir}/${image}`]);
    const verdict = code === 0 ? "compatible" : code === bufFindings ? "breaking" : "error";
    return { image, verdict, detail: verdict === "compatible" ? "" : output };
  });
}

if (import.meta.main) {
  const checks = checkReleased(`${root}proto`, `${root}proto/released`);
  for (const { image, verdict, detail } of checks) {
    if (verdict !== "compatible") console.log(`${image}: ${verdict}\n${detail}`);
  }
  const count = (verdict: Verdict) => checks.filter((check) => check.verdict === verdict).length;
  console.log(`check-released: ${checks.length} images, ${count("breaking")} breaking, ${count("error")} errors`);
  process.exitCode = count("error") > 0 ? 2 : count("breaking") > 0 ? 1 : 0;
}
