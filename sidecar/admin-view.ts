// What the admin server is told: plain data from the parts of a sidecar. Asked per request, never on the path of a
// call.

import type { AdminEndpoint, AdminSource, AdminStatus } from "./admin/admin-source.ts";
import type { DataPart } from "./data-part.ts";
import type { DataPlane } from "./data-plane.ts";
import type { EndpointState } from "./resilience/endpoint-states.ts";
import type { ManagedChains } from "./routing/chain-source.ts";
import type { SidecarSettings } from "./settings.ts";

export interface AdminViewDeps {
  readonly settings: SidecarSettings;
  readonly data: DataPart;
  readonly chains: ManagedChains;
  status(): AdminStatus;
}

export function adminView({ settings, data, chains, status }: AdminViewDeps): AdminSource {
  return {
    refresh: (what) => data.refresh(what),
    status,
    metrics: () => data.metrics(),
    settings: () => withoutSecrets(settings),
    config: () => ({
      ...chains.inForce,
      snapshots: data.snapshots(),
      workers: data.workers(),
    }),
    endpoints: () => data.endpoints(),
  };
}

function withoutSecrets({ consulToken, ...settings }: SidecarSettings): Readonly<Record<string, unknown>> {
  return { ...settings, consulToken: consulToken === null ? null : "(set)" };
}

export function endpointsOf({ upstreams, states }: DataPlane): readonly AdminEndpoint[] {
  return upstreams.snapshots().flatMap((snapshot) =>
    Object.entries(snapshot.endpoints).flatMap(([target, endpoints]) =>
      endpoints.map((endpoint) => {
        const state = states.of(endpoint);
        return {
          upstream: snapshot.upstream,
          target,
          instanceId: endpoint.id,
          address: `${endpoint.host}:${endpoint.port}`,
          version: endpoint.version,
          health: endpoint.health,
          admission: admissionOf(state),
          active: state.active,
        };
      }),
    ),
  );
}

/** As `admitted`, or `admitted; ejected for /a.B/C` when only some methods are out. */
function admissionOf({ whole, outMethods }: EndpointState): string {
  if (whole.accrual.state !== "admitted" || outMethods.length === 0) return whole.accrual.state;
  return `admitted; ${outMethods.map(({ method, accrual }) => `${accrual.state} for ${method}`).join(", ")}`;
}

/** Endpoints by upstream that are out of rotation, as a whole or for some method. */
export function ejectedByUpstream({ upstreams, states }: DataPlane): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { upstream, endpoints } of upstreams.snapshots()) {
    // An instance may be in several targets of one upstream.
    const out = Object.values(endpoints)
      .flat()
      .map((endpoint) => states.of(endpoint))
      .filter((state) => state.outCount > 0);
    counts[upstream] = new Set(out).size;
  }
  return counts;
}
