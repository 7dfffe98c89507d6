// A private Postgres for tests: loopback, a free port, its data in a folder of its own under the system's temporary
// folder. Can be killed and started again on the same data and port. Guarantees: nothing of it is left behind but a
// server that is still running when the tests' process is killed with SIGKILL.
//
// The programs come from the folder in FERRY_POSTGRES_BIN (scripts/servers.sh prints it), else from the usual places.
// They refuse to run as root; then they run as the user `postgres`.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Client } from "pg";

const USER = "postgres";
const START_WITHIN_MS = 30_000;

export class PostgresServer {
  readonly port: number;
  readonly #bin: string;
  readonly #folder: string;
  #child: ChildProcess | undefined;
  #databases = 0;

  private constructor(bin: string, folder: string, port: number) {
    this.#bin = bin;
    this.#folder = folder;
    this.port = port;
  }

  /** Makes the data and starts the server; rejects with one sentence when that cannot be done. */
  static async start(): Promise<PostgresServer> {
    const bin = findPostgres();
    const folder = mkdtempSync(join(tmpdir(), "ferry-postgres-"));
    if (isRoot()) asUser("chown", [USER, folder], false);
    chmodSync(folder, 0o700);
    const data = ["-D", join(folder, "data"), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
    asUser(join(bin, "initdb"), data);
    const server = new PostgresServer(bin, folder, await freePort());
    await server.restart();
    return server;
  }

  /** The address of a new, empty database. */
  async createDatabase(): Promise<string> {
    const name = `test_${++this.#databases}`;
    await this.query(`CREATE DATABASE ${name}`);
    return this.url(name);
  }

  url(database: string): string {
    return `postgres://${USER}@127.0.0.1:${this.port}/${database}`;
  }

  /** As `15.13`. */
  async version(): Promise<string> {
    const [row] = await this.query("SHOW server_version");
    return String(row?.server_version).split(" ")[0]!;
  }

  /** Rows of a statement, by a connection of its own. */
  async query(sql: string, url = this.url(USER)): Promise<readonly Record<string, unknown>[]> {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  /** Starts it after `stop`, on the data that it had; resolves when it answers. */
  async restart(): Promise<void> {
    const settings = {
      port: this.port,
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      max_connections: 60,
    };
    const words = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const [command, args] = commandAsUser(join(this.#bin, "postgres"), ["-D", join(this.#folder, "data"), ...words]);
    const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
    let complaints = "";
    child.stderr.on("data", (chunk: Buffer) => {
      complaints = (complaints + chunk.toString()).slice(-4000);
    });
    this.#child = child;
    const beganMs = Date.now();
    for (;;) {
      const isUp = await this.query("SELECT 1").then(
        () => true,
        () => false,
      );
      if (isUp) return;
      if (child.exitCode !== null || Date.now() - beganMs > START_WITHIN_MS) {
        throw new Error(`postgres in ${this.#bin} did not start: ${complaints.trim()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** SIGINT: sessions are cut, then a clean end. SIGKILL: as when the machine's memory ran out, all its processes. */
  async stop(signal: "SIGINT" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "close");
    // Without the file it is only starting, or ending already.
    const file = join(this.#folder, "data", "postmaster.pid");
    const pid = existsSync(file) ? Number(readFileSync(file, "utf8").split("\n")[0]) : child.pid;
    // Before the parent: its children end by themselves only when they look for it.
    if (signal === "SIGKILL") for (const own of childrenOf(pid)) killIfThere(own, signal);
    killIfThere(pid ?? 0, signal);
    await ended;
  }

  async remove(): Promise<void> {
    await this.stop("SIGINT");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The folder of `postgres` and `initdb`, or an Error with one sentence. */
export function findPostgres(): string {
  const wanted = process.env.FERRY_POSTGRES_BIN;
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const usual = [
    ...versions.map((version) => join(debian, version, "bin")),
    ...(process.env.PATH ?? "").split(delimiter),
    "/usr/local/pgsql/bin",
    "/opt/homebrew/bin",
  ];
  const places = wanted === undefined || wanted === "" ? usual : [wanted];
  const isThere = (folder: string) => ["postgres", "initdb"].every((name) => existsSync(join(folder, name)));
  const found = places.find(isThere);
  if (found !== undefined) return found;
  const where = places === usual ? "in the usual places" : `in FERRY_POSTGRES_BIN=${wanted}`;
  throw new Error(
    `there are no programs postgres and initdb ${where}; eval "$(scripts/servers.sh postgres)" gets them`,
  );
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function commandAsUser(command: string, args: readonly string[]): [string, string[]] {
  if (!isRoot()) return [command, [...args]];
  return ["setpriv", [`--reuid=${USER}`, `--regid=${USER}`, "--clear-groups", command, ...args]];
}

function asUser(command: string, args: readonly string[], mayChangeUser = true): void {
  const [program, words] = mayChangeUser ? commandAsUser(command, args) : [command, [...args]];
  const { status, stderr, error } = spawnSync(program, words, { encoding: "utf8", cwd: "/" });
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr.trim()}`);
}

function childrenOf(pid: number): readonly number[] {
  const { stdout } = spawnSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" });
  return stdout.split("\n").filter(Boolean).map(Number);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** It may have ended by itself since it was looked up. */
function killIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    if (pid > 0) process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
