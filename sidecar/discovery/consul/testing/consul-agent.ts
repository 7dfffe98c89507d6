// A real Consul agent for tests: on loopback with free ports and folders of its own. The program is FERRY_CONSUL, else
// `consul` on PATH; a test fails with one sentence when there is none.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Consul from "consul";
import { systemClock } from "../../../../common/clock.ts";
import { ConsulClient } from "../consul-client.ts";

export interface ConsulAgent {
  readonly address: { readonly host: string; readonly port: number };
  readonly client: ConsulClient;
  /** `host:port` for other agents. */
  readonly lan: string;
  /** A client with another token or clock. */
  connect(token?: string): ConsulClient;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Again on the same ports and data, ready. */
  restart(): Promise<void>;
  /** Runs `consul` with this agent's address and says what it printed. */
  run(...args: string[]): string;
  write(entry: Readonly<Record<string, unknown>>): Promise<void>;
  remove(): Promise<void>;
}

export interface ConsulAgentOptions {
  /** Keeps its state over a restart: a server with a data folder, slower to come up. Default: a dev agent. */
  readonly isDurable?: boolean;
  /** Denies by default; the token for all is `rootToken`. */
  readonly hasAcl?: boolean;
  /** A client agent of this server instead of a server. */
  readonly joins?: ConsulAgent;
}

export const rootToken = "11111111-2222-3333-4444-555555555555";

export async function startConsul(options: ConsulAgentOptions = {}): Promise<ConsulAgent> {
  const { isDurable = false, hasAcl = false, joins } = options;
  const program = consulProgram();
  const folder = mkdtempSync(join(tmpdir(), "ferry-consul-"));
  const [http, grpc, server, lan, wan] = await freePorts(5);
  const config = {
    ...{ disable_update_check: true, bind_addr: "127.0.0.1", client_addr: "127.0.0.1", log_level: "warn" },
    ...{ leave_on_terminate: false, connect: { enabled: true } },
    ports: { http, https: -1, grpc, grpc_tls: -1, dns: -1, server, serf_lan: lan, serf_wan: wan },
    ...(isDurable && { server: true, bootstrap_expect: 1, data_dir: join(folder, "data") }),
    ...(joins !== undefined && { server: false, data_dir: join(folder, "data"), retry_join: [joins.lan] }),
    // The token is that of the tests' own server.
    ...(hasAcl && {
      acl: {
        ...{ enabled: true, default_policy: "deny", tokens: { initial_management: rootToken } },
        // What a token may do counts at once.
        ...{ token_ttl: "100ms", policy_ttl: "100ms" },
      },
    }),
  };
  const file = join(folder, "agent.json");
  writeFileSync(file, JSON.stringify(config));
  const address = { host: "127.0.0.1", port: http! };
  const args = ["agent", ...(isDurable || joins ? [] : ["-dev"]), "-node", joins ? "n2" : "n1", "-config-file", file];
  const start = () => spawn(program, args, { stdio: ["ignore", "ignore", "ignore"] });
  const token = hasAcl ? rootToken : undefined;
  const client = new ConsulClient({ address, token }, systemClock);
  let child = start();
  const clients = [client];
  const kill = () => end(child);
  await ready(client, child).catch(async (error: unknown) => {
    await kill();
    throw error;
  });
  return {
    ...{ address, client, kill, lan: `127.0.0.1:${lan}` },
    connect(other) {
      const further = new ConsulClient({ address, token: other ?? token }, systemClock);
      clients.push(further);
      return further;
    },
    async restart() {
      await end(child);
      child = start();
      await ready(client, child);
    },
    run: (...words) =>
      execFileSync(program, words, {
        encoding: "utf8",
        env: { CONSUL_HTTP_ADDR: `127.0.0.1:${http}`, ...(token !== undefined && { CONSUL_HTTP_TOKEN: token }) },
      }),
    async write(entry) {
      await client.expectOk({ method: "PUT", path: "config", body: entry });
    },
    async remove() {
      for (const open of clients) open.close();
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function consulProgram(): string {
  const program = process.env.FERRY_CONSUL ?? "consul";
  try {
    const version = /v(\d+)\.(\d+)/.exec(execFileSync(program, ["version"], { encoding: "utf8" }));
    if (version !== null) return program;
  } catch {
    // Told below.
  }
  throw new Error(`these tests need Consul: ${program} cannot be run; eval "$(scripts/servers.sh)" gets it`);
}

/** Held all at once, so that none is given twice. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers: Server[] = [];
  for (let i = 0; i < count; i++) {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
  }
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function ready(client: ConsulClient, child: ChildProcess): Promise<void> {
  const untilMs = performance.now() + 40_000;
  for (;;) {
    const reply = await client.ask({ path: "health/service/consul", timeoutMs: 2_000 }).catch(() => undefined);
    if (reply?.status === 200 && reply.text.trim() !== "[]") return;
    if (child.exitCode !== null) throw new Error(`consul ended with ${child.exitCode}`);
    if (performance.now() > untilMs) throw new Error(`consul was not ready within 40 s: ${reply?.text ?? "no answer"}`);
    await sleep(100);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** Everything that is registered or configured goes away, so that one agent serves several tests. */
export async function wipe({ client, address }: ConsulAgent): Promise<void> {
  const consul = new Consul(address);
  const services = await consul.agent.service.list();
  for (const id of Object.keys(services).sort()) await consul.agent.service.deregister(id);
  // The package knows no config entries.
  const kinds = ["service-intentions", "service-router", "service-splitter", "service-resolver", "service-defaults"];
  for (const kind of [...kinds, "proxy-defaults"]) {
    const entries = (await client.json({ path: `config/${kind}` })) as { Name: string }[];
    for (const { Name } of entries) await client.ask({ method: "DELETE", path: `config/${kind}/${Name}` });
  }
  // The agent tells the catalog a moment later.
  while (Object.keys(await consul.catalog.service.list()).some((name) => name !== "consul")) await sleep(20);
  consul.destroy();
}
