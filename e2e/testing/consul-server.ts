// A real Consul server for journeys: one agent on loopback with ports and a data folder of its own, so that it has its
// services and config entries again after a kill and a restart. The program is FERRY_CONSUL, else `consul` on PATH.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runToEnd } from "./ferry.ts";
import { freePorts } from "./free-port.ts";
import { ServerProcess, sayVersion } from "./server-process.ts";

export interface ConsulServer {
  /** For CONSUL_HTTP_ADDR, as `127.0.0.1:8500`. Stays the same over restarts. */
  readonly address: string;
  readonly pid: number;
  /** The API's answer to a GET below /v1/, as `catalog/services`. */
  get(path: string): Promise<unknown>;
  /** Runs the `consul` program against it, as `maint -enable …`; rejects with what it complains of. */
  run(...args: readonly string[]): Promise<void>;
  kill(): Promise<void>;
  /** Again on the same ports and data; resolves when it has a leader. */
  restart(): Promise<void>;
  remove(): Promise<void>;
}

const readyWithinMs = 60_000;

export function consulVersion(): string {
  const said = sayVersion(consulProgram(), "version", "FERRY_CONSUL");
  return /v(\d\S*)/.exec(said)?.[1] ?? "unknown";
}

export async function startConsulServer(): Promise<ConsulServer> {
  const folder = mkdtempSync(join(tmpdir(), "ferry-consul-"));
  const [http, grpc, server, serfLan, serfWan] = await freePorts(5);
  const config = {
    ...{ server: true, bootstrap_expect: 1, data_dir: join(folder, "data"), disable_update_check: true },
    ...{ bind_addr: "127.0.0.1", client_addr: "127.0.0.1", log_level: "warn", connect: { enabled: true } },
    // As quick to elect a leader as a server alone can be.
    performance: { raft_multiplier: 1 },
    ports: { http, https: -1, grpc, grpc_tls: -1, dns: -1, server, serf_lan: serfLan, serf_wan: serfWan },
  };
  const file = join(folder, "agent.json");
  writeFileSync(file, JSON.stringify(config));
  const address = `127.0.0.1:${http}`;
  const get = async (path: string): Promise<unknown> => {
    const reply = await fetch(`http://${address}/v1/${path}`, { signal: AbortSignal.timeout(3000) });
    if (!reply.ok) throw new Error(`consul answers ${reply.status} to ${path}: ${(await reply.text()).slice(0, 200)}`);
    return reply.json();
  };
  const args = ["agent", "-node", "n1", "-config-file", file];
  const hasLeader = async () => ((await get("health/service/consul?passing")) as readonly unknown[]).length > 0;
  const process = new ServerProcess({
    ...{ name: "consul", program: consulProgram(), args, readyWithinMs, isReady: hasLeader },
  });
  const remove = async () => {
    await process.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  await process.start().catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  return {
    ...{ address, get, remove },
    async run(...words) {
      const { code, stdout, stderr } = await runToEnd(consulProgram(), words, { env: { CONSUL_HTTP_ADDR: address } });
      if (code !== 0) throw new Error(`consul ${words.join(" ")} ended with ${code}: ${stdout}${stderr}`);
    },
    get pid() {
      return process.pid;
    },
    kill: () => process.kill(),
    restart: () => process.start(),
  };
}

function consulProgram(): string {
  return process.env.FERRY_CONSUL || "consul";
}
