// Everything that Ferry sidecars have registered, for operators (`ferry status`). What this agent knows itself comes
// from the agent, because it tells a check's note to the catalog minutes later; all else from the catalog.
//
// Asked by the npm package `consul`, which covers this much (docs/decisions/0009-consul-package.md). No sidecar loads
// this file.

import Consul from "consul";
import type { RegisteredInstance } from "../registry.ts";
import { type AgentService, type CatalogCheck, type HealthEntry, registeredInstanceOf } from "./catalog-entry.ts";
import { type ConsulClient, ConsulRefused, ConsulUnreachable, reasonOf } from "./consul-client.ts";

const timeoutMs = 10_000;

/** Sorted by service and id. Rejects with ConsulUnreachable when Consul is away, with ConsulRefused when it refuses. */
export async function listConsulInstances(client: ConsulClient): Promise<readonly RegisteredInstance[]> {
  const { address, token } = client.access;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  // Its types do not know the timeout.
  const options = { host, port: address.port, timeout: timeoutMs, ...(token !== undefined && { defaults: { token } }) };
  const consul = new Consul(options);
  try {
    return await list(consul);
  } catch (error) {
    throw explained(error, client.name);
  } finally {
    consul.destroy();
  }
}

async function list(consul: Consul): Promise<readonly RegisteredInstance[]> {
  const [services, checks, names] = await Promise.all([
    consul.agent.service.list() as Promise<Record<string, AgentService>>,
    consul.agent.check.list() as Promise<Record<string, CatalogCheck>>,
    consul.catalog.service.list(),
  ]);
  const ownChecks = Object.values(checks);
  const ownNode = ownChecks[0]?.Node;
  const own = Object.values(services).map((service) =>
    registeredInstanceOf(
      service.Kind === undefined || service.Kind === "" ? service : {},
      ownChecks.filter(({ ServiceID }) => ServiceID === service.ID),
    ),
  );
  const others = await Promise.all(
    Object.keys(names)
      .filter((name) => name !== "consul" && !name.endsWith("-sidecar-proxy"))
      .map(async (service) => {
        const entries: readonly HealthEntry[] = await consul.health.service(service);
        return entries
          .filter(({ Node }) => ownNode === undefined || Node?.Node !== ownNode)
          .map(({ Service, Checks }) => registeredInstanceOf(Service ?? {}, Checks ?? []));
      }),
  );
  return [...own, ...others.flat()]
    .filter((instance) => instance !== undefined)
    .sort((a, b) => (`${a.service} ${a.id}` < `${b.service} ${b.id}` ? -1 : 1));
}

/** The package throws a reply that is not 2xx with its status, and the socket's error as it is. */
function explained(error: unknown, name: string): Error {
  const { statusCode, response, message } = error as Error & {
    statusCode?: number;
    response?: { body?: unknown };
  };
  if (statusCode === undefined) return new ConsulUnreachable(name, reasonOf(error as Error));
  const text = typeof response?.body === "string" ? response.body : message;
  return new ConsulRefused(name, { status: statusCode, text });
}
