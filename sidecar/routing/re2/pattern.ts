// Regular expressions of the mesh configuration.

export type Pattern =
  | { readonly ok: true; readonly test: (value: string) => boolean }
  | { readonly ok: false; readonly error: string };

/** `whole`: the expression must match the whole value; `part`: anywhere in it. */
export function compilePattern(source: string, extent: "whole" | "part"): Pattern {
  if (/\(\?[=!<]|\\[1-9]/.test(source)) return { ok: false, error: "lookaround and backreferences are not RE2" };
  try {
    const regex = new RegExp(extent === "whole" ? `^(?:${source})$` : source);
    return { ok: true, test: (value) => regex.test(value) };
  } catch (error) {
    return { ok: false, error: String(error) };
  }
}
