// The statements of a Postgres read model, in a schema that is given by name: `quotes_v1`, or `quotes_v1_rebuild`
// while a new one is built beside it. Pure: texts with names, so that each connection parses each once. Used by the
// writer and the reader.

import type { QueryConfig } from "pg";
import type { ReadModelVersion } from "../read-model.ts";

/** The schema that serves, as `quotes_v1`. */
export function servingSchema(version: ReadModelVersion): string {
  return `quotes_${version}`;
}

/** Where a rebuild builds. */
export function rebuildSchema(version: ReadModelVersion): string {
  return `quotes_${version}_rebuild`;
}

/** What writers of `schema` notify and its readers listen to. */
export function channelOf(schema: string): string {
  return `ferry_${schema}`;
}

export type Statement = (values: readonly unknown[]) => QueryConfig<unknown[]>;

function statement(schema: string, name: string, text: string): Statement {
  return (values) => ({ name: `${schema}.${name}`, text, values: [...values] });
}

export interface WriterStatements {
  /** The state's row, locked until the transaction ends. */
  readonly position: Statement;
  /** Arrays: quote ids, texts, authors, submitted at, submitted positions. Quotes that are there stay as they are. */
  readonly add: Statement;
  /** Arrays: quote ids, views, likes. Quotes that are not there are left out. */
  readonly count: Statement;
  /** Array: quote ids. Rows: the slots that are free now, and the last slot before. */
  readonly remove: Statement;
  /** The last slot that may stay, array: free slots up to it. Moves the quotes behind it there. */
  readonly fill: Statement;
  /** position, head, nowMs; tells readers. */
  readonly moveTo: Statement;
  /** head, nowMs; tells readers. */
  readonly heartbeat: Statement;
}

export function writerStatements(schema: string): WriterStatements {
  const telling = (update: string) =>
    `WITH told AS (${update} RETURNING 1) SELECT pg_notify('${channelOf(schema)}', '') FROM told`;
  return {
    position: statement(schema, "position", `SELECT position FROM ${schema}.state FOR UPDATE`),
    add: statement(
      schema,
      "add",
      `INSERT INTO ${schema}.quotes (slot, quote_id, text, author, submitted_at_ms, submitted_position)
       SELECT (SELECT coalesce(max(slot), 0) FROM ${schema}.quotes) + row_number() OVER (ORDER BY n),
              quote_id, text, author, submitted_at_ms, submitted_position
         FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) WITH ORDINALITY
           AS new (quote_id, text, author, submitted_at_ms, submitted_position, n)
        WHERE NOT EXISTS (SELECT 1 FROM ${schema}.quotes AS old WHERE old.quote_id = new.quote_id)`,
    ),
    count: statement(
      schema,
      "count",
      `UPDATE ${schema}.quotes AS quote SET views = quote.views + more.views, likes = quote.likes + more.likes
         FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS more (quote_id, views, likes)
        WHERE quote.quote_id = more.quote_id`,
    ),
    remove: statement(
      schema,
      "remove",
      // The outer query sees the table as it was before the DELETE.
      `WITH gone AS (DELETE FROM ${schema}.quotes WHERE quote_id = ANY ($1::text[]) RETURNING slot)
       SELECT slot, (SELECT max(slot) FROM ${schema}.quotes) AS last FROM gone`,
    ),
    fill: statement(
      schema,
      "fill",
      `WITH free AS (SELECT slot, row_number() OVER (ORDER BY slot) AS n FROM unnest($2::bigint[]) AS slot),
            behind AS (SELECT slot, row_number() OVER (ORDER BY slot) AS n FROM ${schema}.quotes
                        WHERE slot > $1::bigint)
       UPDATE ${schema}.quotes AS quote SET slot = free.slot FROM behind JOIN free USING (n)
        WHERE quote.slot = behind.slot`,
    ),
    moveTo: statement(
      schema,
      "move-to",
      telling(`UPDATE ${schema}.state SET position = $1::bigint, head = greatest(head, $2::bigint, $1::bigint),
        caught_up_at_ms = CASE WHEN $1::bigint >= $2::bigint THEN greatest(caught_up_at_ms, $3::bigint)
          ELSE caught_up_at_ms END`),
    ),
    heartbeat: statement(
      schema,
      "heartbeat",
      telling(`UPDATE ${schema}.state SET head = greatest(head, $1::bigint),
        caught_up_at_ms = CASE WHEN position >= $1::bigint THEN greatest(caught_up_at_ms, $2::bigint)
          ELSE caught_up_at_ms END`),
    ),
  };
}

export interface ReaderStatements {
  /** Also `mark`, which changes when the table is another one. */
  readonly state: Statement;
  readonly quote: Statement;
  readonly random: Statement;
  readonly newest: Statement;
  readonly submittedAfter: Statement;
  /** v2 only. */
  readonly top: Readonly<Record<"likes" | "views", Statement>> | undefined;
}

export function readerStatements(schema: string, version: ReadModelVersion): ReaderStatements {
  const counts = version === "v1" ? "0 AS views, 0 AS likes" : "views, likes";
  const select = `SELECT quote_id, text, author, submitted_at_ms, submitted_position, ${counts} FROM ${schema}.quotes`;
  const top = (by: string) =>
    statement(schema, `top-${by}`, `${select} ORDER BY ${by} DESC, submitted_position LIMIT $1::bigint`);
  return {
    state: statement(schema, "state", `SELECT position, head, caught_up_at_ms, tableoid AS mark FROM ${schema}.state`),
    quote: statement(schema, "quote", `${select} WHERE quote_id = $1::text`),
    random: statement(
      schema,
      "random",
      `${select} WHERE slot = 1 + floor($1::float8 * (SELECT max(slot) FROM ${schema}.quotes))::bigint`,
    ),
    newest: statement(
      schema,
      "newest",
      `${select} WHERE submitted_position < $1::bigint ORDER BY submitted_position DESC LIMIT $2::bigint`,
    ),
    submittedAfter: statement(
      schema,
      "submitted-after",
      `${select} WHERE submitted_position > $1::bigint ORDER BY submitted_position LIMIT $2::bigint`,
    ),
    top: version === "v1" ? undefined : { likes: top("likes"), views: top("views") },
  };
}
