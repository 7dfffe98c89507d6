// What stands behind a stack: the registry, the event log and the read model, each embedded or a server by a switch of
// its own. `ferry up` waits here for the servers that were chosen, all at once, and says which they are and where.
// Never shows a user, password or token.

import type { NetConnectOpts } from "node:net";
import type { Clock } from "../../common/clock.ts";
import { consulAccess } from "../../common/consul-settings.ts";
import { formatAddress } from "../../common/settings.ts";
import { parseNatsUrl } from "../../services/events/jetstream/nats-address.ts";
import { parseDatabaseUrl } from "../../services/read-model/postgres/database-address.ts";
import { awaitConsul } from "../../sidecar/discovery/consul/await-consul.ts";
import { ConsulClient } from "../../sidecar/discovery/consul/consul-client.ts";
import { CommandError, reasonOf } from "../exit.ts";
import type { CliSettings } from "../settings.ts";
import { awaitReachable } from "./reachable.ts";

/** One part of the three and what it stands on. */
export interface Backend {
  /** As `registry`. */
  readonly part: "registry" | "events" | "read model";
  /** As `consul`, what the part's switch says. */
  readonly kind: string;
  /** `host:port`, or `host:port/database`; empty for an embedded part, which is in the home. */
  readonly at: string;
  /** Of the server, when it tells; else empty. */
  readonly version: string;
}

export interface AwaitBackendsOptions {
  readonly clock: Clock;
  readonly waitMs: number;
  readonly onProgress: (sentence: string) => void;
  /** Rejects when it aborts. */
  readonly signal: AbortSignal;
}

/** Resolves when all are there. Rejects with a CommandError: one sentence for the first that is missing or refuses. */
export async function awaitBackends(settings: CliSettings, options: AwaitBackendsOptions): Promise<readonly Backend[]> {
  const isOver = new AbortController();
  const signal = AbortSignal.any([options.signal, isOver.signal]);
  const own = { ...options, signal };
  try {
    return await Promise.all([registry(settings, own), events(settings, own), readModel(settings, own)]);
  } catch (error) {
    throw new CommandError(reasonOf(error));
  } finally {
    isOver.abort();
  }
}

/** As `registry: consul at 127.0.0.1:8500 (1.21.0); events: sqlite; read model: sqlite`. */
export function describeBackends(backends: readonly Backend[]): string {
  return backends
    .map(({ part, kind, at, version }) => {
      const where = at === "" ? "" : ` at ${at}`;
      return `${part}: ${kind}${where}${version === "" ? "" : ` (${version})`}`;
    })
    .join("; ");
}

async function registry(settings: CliSettings, options: AwaitBackendsOptions): Promise<Backend> {
  const part = "registry";
  if (settings.registry === "directory") return { part, kind: "directory", at: "", version: "" };
  const client = new ConsulClient(consulAccess(settings), options.clock);
  try {
    const version = await awaitConsul({ client, ...options });
    return { part, kind: "consul", at: formatAddress(settings.consulAddress), version };
  } finally {
    client.close();
  }
}

async function events(settings: CliSettings, options: AwaitBackendsOptions): Promise<Backend> {
  const part = "events";
  if (settings.events === "sqlite") return { part, kind: "sqlite", at: "", version: "" };
  const { servers } = parseNatsUrl(settings.natsUrl);
  const at = servers.join(",");
  await awaitReachable(
    {
      name: `nats at ${at}`,
      addresses: servers.map(hostAndPort),
      advice: "start nats-server with JetStream (nats-server -js), or set NATS_URL to where it is",
    },
    options,
  );
  return { part, kind: "nats", at, version: "" };
}

async function readModel(settings: CliSettings, options: AwaitBackendsOptions): Promise<Backend> {
  const part = "read model";
  if (settings.readModel === "sqlite") return { part, kind: "sqlite", at: "", version: "" };
  // Throws a sentence without the address when it is missing or none.
  const { url, label } = parseDatabaseUrl(settings.databaseUrl);
  const advice = "start Postgres, or set DATABASE_URL to where it is";
  await awaitReachable({ name: `postgres at ${label}`, addresses: [addressOfDatabase(url)], advice }, options);
  return { part, kind: "postgres", at: label, version: "" };
}

/** The driver takes a socket's folder in place of a host. */
function addressOfDatabase(url: string): NetConnectOpts {
  const { hostname, port, searchParams } = new URL(url);
  const host = decodeURIComponent(hostname || (searchParams.get("host") ?? "localhost"));
  const number = Number(port || 5432);
  if (host.startsWith("/")) return { path: `${host}/.s.PGSQL.${number}` };
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: number };
}

/** As `127.0.0.1:4222` or `[::1]:4222`, which parseNatsUrl has checked. */
function hostAndPort(server: string): NetConnectOpts {
  const colon = server.lastIndexOf(":");
  return { host: server.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), port: Number(server.slice(colon + 1)) };
}
