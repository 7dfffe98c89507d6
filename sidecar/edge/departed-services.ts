// A gateway's memory of services whose last instance has gone, or has come back and not yet stated its gRPC names: for
// a while their routes stay, so that a caller is told UNAVAILABLE (no instance, come again) and not UNIMPLEMENTED (no
// such method). Used by gateway-edge.ts for what Registry.watchServices tells. Pure.

/** By service: its gRPC services, and since when nobody states them; undefined: somebody does. */
export type RememberedServices = ReadonlyMap<string, RememberedService>;

export interface RememberedService {
  readonly names: readonly string[];
  readonly goneAtMs: number | undefined;
}

/** Longer than a restart of everything, shorter than anybody waits for a service that was taken away for good. */
export const rememberedMs = 10 * 60_000;

/** What is known after the registry has told `present`, or after some time (`present` is then what it told last). */
export function rememberServices(
  before: RememberedServices,
  present: ReadonlyMap<string, readonly string[]>,
  nowMs: number,
): RememberedServices {
  const after = new Map<string, RememberedService>();
  const stated = new Set([...present.values()].flat());
  for (const [service, names] of present) after.set(service, { names, goneAtMs: undefined });
  for (const [service, { names, goneAtMs = nowMs }] of before) {
    if ((present.get(service)?.length ?? 0) > 0 || nowMs - goneAtMs >= rememberedMs) continue;
    // Whoever states one of them now has it.
    const left = names.filter((name) => !stated.has(name));
    if (left.length > 0) after.set(service, { names: left, goneAtMs });
  }
  return after;
}

/** When the next of them is to be forgotten; undefined: none waits for it. */
export function nextForgottenAtMs(services: RememberedServices): number | undefined {
  const gone = [...services.values()].flatMap(({ goneAtMs }) => (goneAtMs === undefined ? [] : [goneAtMs]));
  return gone.length === 0 ? undefined : Math.min(...gone) + rememberedMs;
}
