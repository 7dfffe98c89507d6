// Real NATS servers for tests, on loopback with ports of their own and folders under the system's temporary folder. The
// program is FERRY_NATS_SERVER, else `nats-server` on PATH; a test fails with one sentence when there is none.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sayVersion } from "./server-process.ts";

export interface NatsServer {
  /** Stays the same over restarts. */
  readonly url: string;
  readonly pid: number;
  /** Ends the process; resolves when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Sends a signal that does not end it, as SIGSTOP. */
  signal(signal: NodeJS.Signals): void;
  /** Starts it again on the same port and folder. */
  restart(): Promise<void>;
  /** Kills it and removes its folder. */
  remove(): Promise<void>;
}

/** Starts a server that is ready to serve. `args` as `["-js"]`, the default; the folder is always given. */
export async function startNats(args: readonly string[] = ["-js"]): Promise<NatsServer> {
  const program = natsProgram();
  const folder = mkdtempSync(join(tmpdir(), "ferry-nats-"));
  let { child, url } = await startProcess(program, folder, -1, args).catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  const kill = async (signal: NodeJS.Signals = "SIGKILL") => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "close");
  };
  return {
    get url() {
      return url;
    },
    get pid() {
      return child.pid ?? 0;
    },
    kill,
    signal: (signal) => void child.kill(signal),
    async restart() {
      ({ child, url } = await startProcess(program, folder, Number(new URL(url).port), args));
    },
    async remove() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** As `2.11.4`; throws one sentence when there is no server. */
export function natsVersion(): string {
  const said = sayVersion(process.env.FERRY_NATS_SERVER || "nats-server", "--version", "FERRY_NATS_SERVER");
  return /v(\d\S*)/.exec(said)?.[1] ?? "unknown";
}

function natsProgram(): string {
  natsVersion();
  return process.env.FERRY_NATS_SERVER || "nats-server";
}

async function startProcess(
  program: string,
  folder: string,
  port: number,
  args: readonly string[],
): Promise<{ child: ChildProcess; url: string }> {
  const words = ["-a", "127.0.0.1", "-p", String(port), "-sd", folder, "--ports_file_dir", folder, ...args];
  const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] });
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints = (complaints + text).slice(-4000);
  });
  // Written when the server listens; JetStream has recovered its streams before.
  const portsFile = join(folder, `nats-server_${child.pid}.ports`);
  for (let tries = 0; tries < 1000; tries++) {
    if (child.exitCode !== null) throw new Error(`nats-server ended with ${child.exitCode}: ${complaints}`);
    if (child.signalCode !== null) throw new Error(`nats-server was ended by ${child.signalCode}`);
    const url = existsSync(portsFile) ? /nats:\/\/[\d.]+:\d+/.exec(readFileSync(portsFile, "utf8"))?.[0] : undefined;
    if (url !== undefined) return { child, url };
    await sleep(10);
  }
  child.kill("SIGKILL");
  throw new Error(`nats-server did not listen within 10 s: ${complaints}`);
}

/** An address on which nothing listens. */
export async function unusedNatsUrl(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return `nats://127.0.0.1:${port}`;
}
