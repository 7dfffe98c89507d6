// What the gateway of the running stack has taken out of rotation by itself, for `ferry route`: an endpoint that the
// registry calls passing may still get no calls. Each process has its own view; this is the gateway's.

import { openAdminClient } from "../admin-client.ts";
import { readStack } from "../supervise/home.ts";

const timeoutMs = 2_000;

/** By instance id, as `admitted` or `ejected`; empty when no stack runs in `home` or its gateway does not answer. */
export async function gatewayAdmission(home: string): Promise<ReadonlyMap<string, string>> {
  const admin = readStack(home)?.admin;
  if (admin === undefined) return new Map();
  try {
    const { endpoints } = await openAdminClient(admin, timeoutMs).listEndpoints({});
    return new Map(endpoints.map(({ instanceId, admission }) => [instanceId, admission]));
  } catch {
    return new Map(); // `ferry status` is who says that a gateway is not well.
  }
}
