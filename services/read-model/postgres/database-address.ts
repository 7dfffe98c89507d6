// DATABASE_URL as the Postgres read model needs it. Called by the settings of the mains, which refuse a missing one,
// and by the store. Guarantees: what is shown of it (messages, logs) is host, port and database, never user or
// password.

export interface DatabaseAddress {
  /** For the driver; secret. */
  readonly url: string;
  /** For people, as `127.0.0.1:5432/ferry`. */
  readonly label: string;
}

const expected = "expected postgres://user:password@host:port/database";

/** The address, or an Error whose message tells what is wrong without showing the value. */
export function parseDatabaseUrl(url: string | null | undefined): DatabaseAddress {
  if (url === null || url === undefined) {
    throw new Error(`DATABASE_URL is not set: FERRY_READ_MODEL=postgres needs it, ${expected}`);
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw new Error(`DATABASE_URL is not the address of a Postgres: ${expected}`);
  }
  // Otherwise a part of the password would count as port or database, and be shown.
  if (/@/.test(parsed.pathname + parsed.search + parsed.hash)) {
    throw new Error("DATABASE_URL: in a password @ / ? and # are written %40 %2F %3F and %23");
  }
  const host = parsed.hostname || parsed.searchParams.get("host") || "localhost";
  const database = parsed.pathname.slice(1) || "(the user's)";
  return { url, label: `${host}:${parsed.port || "5432"}/${database}` };
}
