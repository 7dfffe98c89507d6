// A mistake in the mesh configuration, as people and `--json` see it. Made by the parser and the checks, shown by
// `ferry check`, the admin server and `ferry status`.

export interface Problem {
  /** As `service-splitter/quote-query.json`, or kind/name where there is no file. */
  readonly file: string;
  /** Where in it, as `Splits[0].Weight`; empty for the file as a whole. */
  readonly path: string;
  /** What is allowed there. */
  readonly expected: string;
  /** What stands there, shortened. */
  readonly found: string;
  /** The nearest thing that would be right, or empty. */
  readonly suggestion: string;
}

/** One line for a log or a terminal. */
export function problemText(problem: Problem): string {
  const place = problem.path === "" ? problem.file : `${problem.file}: ${problem.path}`;
  const suggestion = problem.suggestion === "" ? "" : `; did you mean ${problem.suggestion}?`;
  return `${place}: expected ${problem.expected}, found ${problem.found}${suggestion}`;
}
