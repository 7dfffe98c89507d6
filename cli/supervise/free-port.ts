// Ports for processes that must be told where to listen before they start, and again after a crash.

import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { Random } from "../../common/random.ts";
import { CommandError } from "../exit.ts";

/**
 * A port of `host` that nobody listens on now, from 10,000 up to where the kernel's own choices begin: a port from that
 * range could be some connection's local end by the time a process is started on it again.
 */
export async function freePort(host: string, random: Random): Promise<number> {
  const first = 10_000;
  const end = Math.max(first + 1000, firstEphemeralPort());
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = first + Math.floor(random() * (end - first));
    if ((await whyTaken(host, port)) === undefined) return port;
  }
  throw new CommandError(`${host}: found no free port between ${first} and ${end} in 100 tries`);
}

/** Undefined when `host:port` can be listened on; else the operating system's code, as EADDRINUSE. */
export function whyTaken(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

function firstEphemeralPort(): number {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/)[0]);
  } catch {
    return 32_768; // Not Linux; the usual value is as good as any.
  }
}
