// How quote-projector and quote-query start on a Postgres that is not there yet, or not as it should be: they wait and
// say so, or end with one sentence that says what to do. Takes seconds, as it starts servers and processes.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PostgresServer } from "../../../e2e/testing/postgres-server.ts";
import { MainProcess, type ServiceName } from "../../kit/testing/main-process.ts";

const services = ["quote-projector", "quote-query"] as const;

describe.each(services)("the start of %s on Postgres", (name: ServiceName) => {
  let server: PostgresServer;
  let home: string;
  let databaseUrl: string;
  const ends: (() => unknown)[] = [];
  beforeAll(async () => {
    server = await PostgresServer.start();
    await server.query("CREATE ROLE ferry LOGIN PASSWORD 's3cret'");
    const [row] = await server.query("SHOW hba_file");
    const rules = "VALUES ('host all postgres all trust'), ('host all all all scram-sha-256')";
    await server.query(`COPY (${rules}) TO '${String(row?.hba_file)}'`);
    await server.query("SELECT pg_reload_conf()");
  });
  afterAll(() => server?.remove());
  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "ferry-start-"));
    databaseUrl = await server.createDatabase();
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    rmSync(home, { recursive: true, force: true });
  });

  function start(url: string): MainProcess {
    const common = { FERRY_HOME: home, FERRY_VERSION: "v1", FERRY_READ_MODEL: "postgres" };
    const process = new MainProcess(name, { ...common, DATABASE_URL: url });
    ends.push(() => process.stop("SIGKILL"));
    return process;
  }

  /** What it says in the end; its exit code must be 1, and no password is ever in it. */
  async function refusal(url: string): Promise<string> {
    const process = start(url);
    expect(await process.end()).toBe(1);
    expect(process.stderr).not.toMatch(/hush|s3cret/);
    return process.stderr;
  }

  const as = (user: string) => databaseUrl.replace("postgres@", `${user}@`);
  const where = (database: string) => `${name}: read model quotes-v1 on postgres 127.0.0.1:${server.port}/${database}`;

  test("waits for a server that is away, with progress; ends with 0 at SIGTERM, or starts when it comes", async () => {
    await server.stop("SIGINT");
    const [first, told] = [start(databaseUrl), start(databaseUrl)];
    const place = databaseUrl.slice(databaseUrl.indexOf("@") + 1);
    await Promise.all([first, told].map((process) => process.says(`waiting for postgres at ${place}, 60 s more: `)));
    expect(first.stderr).toContain("ECONNREFUSED");
    expect(await told.stop("SIGTERM")).toBe(0);
    await server.restart();
    await first.ready();
    expect(await first.stop("SIGTERM")).toBe(0);
    expect(told.stdout).toBe("");
  }, 60_000);

  test("a wrong password, or none where one is needed: at once, with what to do", async () => {
    const { pathname } = new URL(databaseUrl);
    expect(await refusal(as("ferry:hush"))).toBe(
      `${where(pathname.slice(1))}: password authentication failed for user "ferry"; ` +
        "set the user and password in DATABASE_URL\n",
    );
    expect(await refusal(as("ferry"))).toBe(
      `${where(pathname.slice(1))}: the server asks for a password; set the user and password in DATABASE_URL\n`,
    );
  });

  test("no such database: at once, with what to do", async () => {
    expect(await refusal(server.url("nowhere"))).toBe(
      `${where("nowhere")}: database "nowhere" does not exist; make it (CREATE DATABASE), or set another in DATABASE_URL\n`,
    );
  });

  test("TLS where the server has none, and a certificate that is not there: at once", async () => {
    expect(await refusal(`${databaseUrl}?sslmode=verify-full`)).toMatch(
      /: the server does not speak TLS; leave sslmode out of DATABASE_URL\n$/,
    );
    expect(await refusal(`${databaseUrl}?sslrootcert=/nowhere.pem`)).toMatch(
      /: DATABASE_URL: ENOENT: .*nowhere\.pem'\n$/,
    );
  });

  test("an address that is none: at once, without showing it", async () => {
    expect(await refusal("ferry:hush@db")).toMatch(/: DATABASE_URL is not the address of a Postgres: expected .*\n$/);
    expect(await refusal("postgres://ferry:12#hush@db/quotes")).toMatch(/: DATABASE_URL: in a password @ .*\n$/);
  });

  test("too old: at once, with the oldest version that will do", async () => {
    const message = (type: string, body: string) => {
      const head = Buffer.alloc(5);
      head.write(type);
      head.writeInt32BE(body.length + 4, 1);
      return Buffer.concat([head, Buffer.from(body)]);
    };
    const old = createServer((socket) => {
      const greeting = [message("R", "\0\0\0\0"), message("S", "server_version\x0013.4 (Debian)\0"), message("Z", "I")];
      socket.on("error", () => {}).once("data", () => socket.write(Buffer.concat(greeting)));
    }).listen(0, "127.0.0.1");
    ends.push(() => old.close());
    await once(old, "listening");
    const { port } = old.address() as AddressInfo;
    expect(await refusal(`postgres://ferry@127.0.0.1:${port}/quotes`)).toBe(
      `${name}: read model quotes-v1 on postgres 127.0.0.1:${port}/quotes: ` +
        "the server is version 13.4 (Debian); 14 or newer is needed\n",
    );
  });

  // quote-query makes nothing, so it needs no such right.
  if (name === "quote-projector") {
    test("a role that may not make schemas: at once, with where to read on", async () => {
      const { pathname } = new URL(databaseUrl);
      expect(await refusal(as("ferry:s3cret"))).toBe(
        `${where(pathname.slice(1))}: permission denied for database ${pathname.slice(1)}; ` +
          "docs/how-to/postgres.md says what each role may do\n",
      );
    });
  }
});
