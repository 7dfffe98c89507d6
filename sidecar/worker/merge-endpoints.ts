// The endpoints as several workers see them, as one sidecar's: calls under way add up, and of what each worker judged
// for itself the worst is shown. Pure; asked by the admin server only.

import type { AdminEndpoint } from "../admin/admin-source.ts";

export function mergeEndpoints(parts: readonly (readonly AdminEndpoint[])[]): readonly AdminEndpoint[] {
  const merged = new Map<string, AdminEndpoint>();
  for (const endpoint of parts.flat()) {
    const key = [endpoint.upstream, endpoint.target, endpoint.instanceId].join("\u0000");
    const known = merged.get(key);
    if (known === undefined) {
      merged.set(key, endpoint);
      continue;
    }
    const admission = badness(endpoint) > badness(known) ? endpoint.admission : known.admission;
    merged.set(key, { ...known, admission, active: known.active + endpoint.active });
  }
  return [...merged.values()];
}

/** `ejected`, `probing`, `admitted; …` with methods that are out, `admitted`: the worst has the highest. */
function badness({ admission }: AdminEndpoint): number {
  if (admission === "ejected") return 3;
  if (admission === "probing") return 2;
  return admission === "admitted" ? 0 : 1;
}
