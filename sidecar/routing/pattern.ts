// Regular expressions of the mesh configuration. Consul and Envoy use RE2: no lookaround, no backreferences, time
// linear in the text. Neither holds for JavaScript's RegExp, so a library with RE2's syntax and bounds runs them.
// Called by path-and-header-match.ts, bexpr.ts and the configuration's checks.

import { RE2JS } from "@bufbuild/re2";

export type Pattern =
  | { readonly ok: true; readonly test: (value: string) => boolean }
  | { readonly ok: false; readonly error: string };

/** `whole`: the expression must match the whole value; `part`: anywhere in it. */
export function compilePattern(source: string, extent: "whole" | "part"): Pattern {
  try {
    const pattern = new RE2JS(source);
    return { ok: true, test: (value) => (extent === "whole" ? pattern.testExact(value) : pattern.test(value)) };
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
}
