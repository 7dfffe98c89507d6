// Nothing lost, nothing doubled: the rows of both read models, as Postgres has them, against what callers were promised
// and against a replay of the log. Called when every command is acknowledged.

import { eventually } from "../testing/eventually.ts";
import { type Balance, type Ledger, loadAuthor, type ShownQuote } from "./ledger.ts";
import { type LoggedQuote, replayLog } from "./read-log.ts";
import type { Servers } from "./real-servers.ts";

export interface Audit extends Balance {
  readonly problems: readonly string[];
}

interface Row extends ShownQuote {
  readonly author: string;
  readonly views?: number;
}

const caughtUpWithinMs = 20_000;

export async function audit(servers: Servers, ledger: Ledger): Promise<Audit> {
  const log = await replayLog(servers.nats.url);
  const problems: string[] = [];
  if (log.recordsTwice > 0) problems.push(`${log.recordsTwice} records are in the log twice`);
  let lost = 0;
  let doubled = log.recordsTwice;
  for (const version of ["v1", "v2"] as const) {
    const rows = await rowsOf(servers, version, log.head);
    const balance = ledger.balance(rows.filter(({ author }) => author === loadAuthor));
    lost = Math.max(lost, balance.lost);
    doubled = Math.max(doubled, balance.doubled);
    const differing = differencesOf(rows, log.quotes);
    if (differing.length > 0) problems.push(`quotes-${version} is not what the log says: ${differing.join(", ")}`);
  }
  if (lost > 0) problems.push(`${lost} acknowledged commands are lost`);
  if (doubled > 0) problems.push(`${doubled} effects are there twice or were never asked for`);
  return { lost, doubled, problems };
}

/** All rows of the model, once it holds the whole log. */
async function rowsOf({ postgres, databaseUrl }: Servers, version: "v1" | "v2", head: number): Promise<readonly Row[]> {
  const schema = `quotes_${version}`;
  await eventually(`quotes-${version} holds all ${head} records`, caughtUpWithinMs, async () => {
    const [state] = await postgres.query(`SELECT position FROM ${schema}.state`, databaseUrl);
    if (Number(state?.position) >= head) return true;
    throw new Error(`it is at ${state?.position}`);
  });
  const counts = version === "v2" ? ", likes, views" : "";
  const rows = await postgres.query(`SELECT quote_id, text, author${counts} FROM ${schema}.quotes`, databaseUrl);
  return rows.map((row) => ({
    ...{ quoteId: String(row.quote_id), text: String(row.text), author: String(row.author) },
    ...(version === "v2" && { likes: Number(row.likes), views: Number(row.views) }),
  }));
}

/** At most five, as people read them. */
function differencesOf(rows: readonly Row[], logged: ReadonlyMap<string, LoggedQuote>): readonly string[] {
  const differing: string[] = [];
  const shown = new Set<string>();
  for (const row of rows) {
    const quote = logged.get(row.quoteId);
    if (shown.has(row.quoteId)) differing.push(`${row.quoteId} stands there twice`);
    shown.add(row.quoteId);
    const wanted = { ...quote, ...(row.likes === undefined && { likes: undefined, views: undefined }) };
    for (const field of ["text", "author", "likes", "views"] as const) {
      if (row[field] === wanted[field]) continue;
      differing.push(`${row.quoteId} has ${field} ${row[field]} and not ${wanted[field]}`);
    }
  }
  for (const quoteId of logged.keys()) if (!shown.has(quoteId)) differing.push(`${quoteId} is missing`);
  return differing.slice(0, 5);
}
