// Everything that Ferry sidecars have registered, for operators (`ferry status`). What this agent knows itself comes
// from the agent, because it tells a check's note to the catalog minutes later; all else from the catalog.

import type { RegisteredInstance } from "../registry.ts";
import { type AgentService, type CatalogCheck, type HealthEntry, registeredInstanceOf } from "./catalog-entry.ts";
import type { ConsulClient } from "./consul-client.ts";

/** Sorted by service and id. Rejects when Consul is away or refuses. */
export async function listConsulInstances(client: ConsulClient): Promise<readonly RegisteredInstance[]> {
  const [services, checks, names] = await Promise.all([
    client.json({ path: "agent/services" }) as Promise<Record<string, AgentService>>,
    client.json({ path: "agent/checks" }) as Promise<Record<string, CatalogCheck>>,
    client.json({ path: "catalog/services" }) as Promise<Record<string, unknown>>,
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
      .map(async (name) => {
        const entries = (await client.json({ path: `health/service/${encodeURIComponent(name)}` })) as HealthEntry[];
        return entries
          .filter(({ Node }) => ownNode === undefined || Node?.Node !== ownNode)
          .map(({ Service, Checks }) => registeredInstanceOf(Service ?? {}, Checks ?? []));
      }),
  );
  return [...own, ...others.flat()]
    .filter((instance) => instance !== undefined)
    .sort((a, b) => (`${a.service} ${a.id}` < `${b.service} ${b.id}` ? -1 : 1));
}
