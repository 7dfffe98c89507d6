// What is made of the rows: the judgement, the table for people, and the page in docs/results. Pure.

import { calmMs, deadlineMs, type Incident, type Row } from "./incident.ts";

/**
 * Successes that differ by less are equal: the standard error of a share of 89 % among the 15,000 calls of an incident
 * is 0.26 %, and no two policies draw the same chances.
 */
export const equalWithin = 0.001;
export const mostAmplification = 1.2;

export function problemsOf(rows: readonly Row[]): readonly string[] {
  return rows
    .filter(({ policy }) => policy === "ferry")
    .flatMap((ours) => {
      const where = `${ours.incident} at ${ours.callsPerSecond}/s`;
      const better = rows.filter((row) => isSameIncident(row, ours) && row.success > ours.success + equalWithin);
      const problems = better.map((row) => `${where}: success ${ours.success}, ${row.policy} has ${row.success}`);
      if (ours.amplification > mostAmplification) {
        problems.push(`${where}: amplification ${ours.amplification}, expected at most ${mostAmplification}`);
      }
      return problems;
    });
}

function isSameIncident(a: Row, b: Row): boolean {
  return a.incident === b.incident && a.callsPerSecond === b.callsPerSecond;
}

/** As markdown, which reads well on a terminal too. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.incident,
    String(row.callsPerSecond),
    row.policy,
    `${(row.success * 100).toFixed(2)} %`,
    row.p99Ms.toFixed(0),
    row.amplification.toFixed(2),
    row.peak.toFixed(2),
  ]);
  const head = ["incident", "calls/s", "policy", "success", "p99 ms", "amplification", "worst 10 s"];
  const widths = head.map((text, n) => Math.max(text.length, ...cells.map((line) => line[n]!.length)));
  const isNumber = (n: number) => n === 1 || n > 2;
  const line = (texts: readonly string[]) =>
    `| ${texts.map((text, n) => (isNumber(n) ? text.padStart(widths[n]!) : text.padEnd(widths[n]!))).join(" | ")} |`;
  const rule = widths.map((width, n) => (isNumber(n) ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  return [line(head), `| ${rule.join(" | ")} |`, ...cells.map(line)].join("\n");
}

export function resultsPage(incidents: readonly Incident[], rows: readonly Row[], seed: number): string {
  const stories = new Map(incidents.map(({ name, story }) => [name, story]));
  const problems = problemsOf(rows);
  const list = (lines: readonly string[]) => lines.map((line) => `- ${line}\n`).join("");
  const share = `${equalWithin * 100} %`;
  const verdict =
    problems.length === 0
      ? `Ferry's success is the best or equal (within ${share}) in each, and its amplification never above ` +
        `${mostAmplification}.\n`
      : `Where Ferry does not do what it should:\n\n${list(problems)}`;
  return `# Incidents and what callers notice of them

Made by \`npm run bench:resilience -- --seed ${seed} --write\`; do not edit. [bench/README.md](../../bench/README.md)
says how it is made.

A simulation: the real layers of our stacks on a clock that jumps, with modelled instances and a modelled network; the
same seed gives the same figures on every machine. Calls are unary and idempotent, have a deadline of ${deadlineMs} ms,
and begin at a steady rate but not evenly, whatever became of those before. Each incident begins after
${calmMs / 1000} s of calm and is played three times, counted together (the storm once). The registry calls all
instances healthy throughout, so what a policy finds out, it finds out by its calls.

- **ferry**: our layers with no setting at all.
- **no policy**: one try, instances in turn.
- **plain retries x3**: the same, and whatever failed is sent again at once to the next instance, up to three times.

_success_: calls answered OK before their deadline, from the trouble's begin to the end of the recovery. _p99_: how long
callers waited, failed calls included. _amplification_: requests sent to instances for each call of the same time.
_worst 10 s_: the same in the ten seconds when it was highest, which is what a retry budget counts over.

${table(rows)}

${verdict}
## The incidents

${list([...stories].map(([name, story]) => `**${name}.** ${story}`))}`;
}
