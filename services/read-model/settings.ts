// The settings of the read model: which kind, and where. Rows of quote-projector's and quote-query's tables. What a
// kind needs is checked when it is opened, since DATABASE_URL is secret and must not stand in a message.

import { parseOneOf, parseText } from "../../common/settings.ts";

export const readModelRows = {
  readModel: {
    env: "FERRY_READ_MODEL",
    parse: parseOneOf("sqlite", "postgres"),
    fallback: "sqlite" as "sqlite" | "postgres",
    doc: "where the read model is kept: a file in FERRY_HOME, or a schema in a Postgres database",
  },
  databaseUrl: {
    env: "DATABASE_URL",
    parse: parseText,
    fallback: null as string | null,
    doc: "the Postgres database, as postgres://user:password@host:port/database; FERRY_READ_MODEL=postgres needs it",
  },
} as const;
