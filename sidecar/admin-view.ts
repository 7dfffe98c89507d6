// What the admin server is told: plain data from the parts of a sidecar. Asked per request, never on the path of a
// call.

import type { AdminEndpoint, AdminSource, AdminStatus } from "./admin/admin-source.ts";
import type { DataPlane } from "./data-plane.ts";
import type { ManagedChains } from "./routing/chain-source.ts";
import type { SidecarSettings } from "./settings.ts";
import type { FamilySnapshot } from "./telemetry/metric-snapshot.ts";

export interface AdminViewDeps {
  readonly settings: SidecarSettings;
  readonly data: DataPlane;
  readonly chains: ManagedChains;
  status(): AdminStatus;
  metrics(): readonly FamilySnapshot[];
}

export function adminView({ settings, data, chains, status, metrics }: AdminViewDeps): AdminSource {
  return {
    status,
    metrics,
    settings: () => withoutSecrets(settings),
    config: () => ({
      ...chains.inForce,
      snapshots: data.upstreams.snapshots(),
    }),
    endpoints: () => endpointsOf(data),
  };
}

function withoutSecrets({ consulToken, ...settings }: SidecarSettings): Readonly<Record<string, unknown>> {
  return { ...settings, consulToken: consulToken === null ? null : "(set)" };
}

export function endpointsOf({ upstreams, states }: DataPlane): readonly AdminEndpoint[] {
  return upstreams.snapshots().flatMap((snapshot) =>
    Object.entries(snapshot.endpoints).flatMap(([target, endpoints]) =>
      endpoints.map((endpoint) => {
        const { accrual, active } = states.of(endpoint);
        return {
          upstream: snapshot.upstream,
          target,
          instanceId: endpoint.id,
          address: `${endpoint.host}:${endpoint.port}`,
          version: endpoint.version,
          health: endpoint.health,
          admission: accrual.state,
          active,
        };
      }),
    ),
  );
}
