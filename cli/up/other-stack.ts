// Two stacks cannot share one Consul agent: their instances have the same ids, so each would overwrite the other's
// registrations. Called by `ferry up` before it starts anything. What a stack that was killed left behind is none.

import { openAdminClient } from "../admin-client.ts";
import { CommandError, reasonOf } from "../exit.ts";
import { isNear } from "../status/collect-status.ts";
import { openRegistry } from "../status/open-registry.ts";
import { plannedInstances } from "./plan.ts";

const timeoutMs = 1_000;

/** Throws a CommandError when an instance of ours is registered and its sidecar answers. */
export async function refuseOtherStack(home: string): Promise<void> {
  const { registry, name } = await openRegistry(home);
  try {
    const planned = new Set(plannedInstances.map(({ id }) => id));
    const registered = await registry.listInstances().catch((error: unknown) => {
      throw new CommandError(reasonOf(error));
    });
    for (const { id, admin, host } of registered.filter((instance) => planned.has(instance.id))) {
      if (!isNear({ admin, host })) continue;
      const status = await openAdminClient(admin, timeoutMs)
        .getStatus({})
        .catch(() => undefined);
      if (status?.instanceId !== id) continue;
      const advice = "stop it, or name another agent in CONSUL_HTTP_ADDR";
      throw new CommandError(`another stack is registered in ${name}: the sidecar of ${id} runs; ${advice}`);
    }
  } finally {
    await registry.close();
  }
}
