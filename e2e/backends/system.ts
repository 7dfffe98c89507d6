// The quoter on real servers, as `ferry up` starts it, in a home of its own. Called by backends.ts. Guarantees:
// whatever happens, after its cleanup no process of it is left.

import { eventually } from "../testing/eventually.ts";
import { ferry, type JsonObject, startFerry } from "../testing/ferry.ts";
import { makeHome } from "../testing/home.ts";
import type { Cleanup, Servers } from "./real-servers.ts";

export interface System {
  /** `host:port`. */
  readonly gateway: string;
  /** Every process of it with its id, sorted; equal texts mean that none was started again. */
  processes(): string;
  /** What `ferry up` said of processes that ended. */
  troubles(): readonly string[];
  /** What `ferry status` finds wrong; empty when all is healthy. */
  unhealthy(): Promise<readonly string[]>;
  /** SIGINT, and what is left although nothing may be: sentences. */
  stop(): Promise<readonly string[]>;
}

const readyWithinMs = 120_000;
const stoppedWithinMs = 60_000;

/** Starts everything, which writes the mesh configuration to an empty Consul; resolves when all is healthy. */
export async function startSystem(servers: Servers, cleanup: Cleanup): Promise<System> {
  const home = makeHome();
  cleanup(async () => home.remove());
  const { env, consul } = servers;
  const up = startFerry(["up", "--json", "--gateway", "127.0.0.1:0"], { home: home.path, env });
  const hasEnded = () => within(up.exited, stoppedWithinMs, `ferry up did not end within ${stoppedWithinMs} ms`);
  cleanup(async () => {
    up.signal("SIGINT");
    await hasEnded().catch(() => up.signal("SIGKILL"));
  });
  const { gateway } = (await up.event("ready", readyWithinMs)) as { gateway: string };
  const troubles = () =>
    up.lines.map((line) => JSON.parse(line) as JsonObject).filter(({ event }) => event === "trouble");
  return {
    gateway,
    processes: () => home.processes().toSorted().join("\n"),
    troubles: () => troubles().map(({ message }) => String(message)),
    async unhealthy() {
      const { json, stderr } = await ferry(["status", "--json"], { home: home.path, env });
      return json === undefined ? [`ferry status printed no result: ${stderr}`] : (json.troubles as readonly string[]);
    },
    async stop() {
      const problems: string[] = [];
      up.signal("SIGINT");
      const { code, signal } = await hasEnded();
      if (code !== 0) problems.push(`ferry up ended with ${code ?? signal}: ${up.stderr.slice(-1000)}`);
      for (const line of await home.leftOver()) problems.push(`still running: ${line}`);
      return [...problems, ...(await registrationsLeft(consul))];
    },
  };
}

/** The agent tells the catalog a moment later. */
async function registrationsLeft(consul: Servers["consul"]): Promise<readonly string[]> {
  try {
    await eventually("Consul has no service of ours", 10_000, async () => {
      const services = Object.keys((await consul.get("agent/services")) as object);
      const names = Object.keys((await consul.get("catalog/services")) as object).filter((name) => name !== "consul");
      if (services.length + names.length > 0) throw new Error(`there are ${[...services, ...names].join(", ")}`);
      return true;
    });
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

async function within<T>(event: Promise<T>, ms: number, otherwise: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(otherwise)), ms);
  try {
    return await Promise.race([event, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
