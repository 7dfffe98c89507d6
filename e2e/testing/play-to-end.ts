// The end of a script that plays a list of things: its rows on stdout, what was wrong on stderr, and the exit code.
// Used by attack.ts and incidents.ts, which say what they play.

import { say } from "./say.ts";

export interface Script<Row> {
  /** For problems, as `attack`. */
  readonly name: string;
  /** For everything; then the script ends with 1. */
  readonly limitMs: number;
  /** One JSON object `{rows, problems}` instead of a table. */
  readonly isJson: boolean;
  play(): Promise<{ readonly rows: readonly Row[]; readonly problems: readonly string[] }>;
  /** What of a row people are shown. */
  shown(row: Row): object;
}

/** Ends the process: with 0 when there was no problem. */
export async function playToEnd<Row>({ name, limitMs, isJson, play, shown }: Script<Row>): Promise<never> {
  setTimeout(() => {
    say(`not done within ${limitMs / 1000} s`);
    process.exit(1);
  }, limitMs).unref();
  try {
    const { rows, problems } = await play();
    if (isJson) console.log(JSON.stringify({ rows, problems }));
    else console.table(rows.map(shown));
    for (const problem of problems) console.error(`${name}: ${problem}`);
    process.exit(problems.length === 0 ? 0 : 1);
  } catch (error) {
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
}
