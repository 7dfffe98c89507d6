// What a sidecar registers as its address: where others reach its inbound listener. Pure; called by sidecar.ts once the
// listener is open.

import type { NetworkInterfaceInfo } from "node:os";
import type { Address } from "../common/settings.ts";

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Without a port it is the listener's. */
export interface Advertised {
  readonly host: string;
  readonly port: number | undefined;
}

const any = new Set(["0.0.0.0", "::"]);

/**
 * The setting wins. A listener on every address stands under the machine's first address that is not loopback, IPv4
 * before IPv6; link-local ones are left out, as they mean nothing elsewhere. Throws one sentence when there is none.
 */
export function advertisedAddress(listening: Address, setting: Advertised | null, interfaces: Interfaces): Address {
  if (setting !== null) return { host: setting.host, port: setting.port ?? listening.port };
  if (!any.has(listening.host)) return { host: listening.host, port: listening.port };
  const reachable = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^(169\.254\.|fe80:)/i.test(address));
  const found = reachable.find(({ family }) => family === "IPv4") ?? reachable[0];
  if (found === undefined) {
    throw new Error(
      `FERRY_INBOUND listens on ${listening.host} and this machine has no address that others could dial; ` +
        "say which with FERRY_ADVERTISE",
    );
  }
  return { host: found.address, port: listening.port };
}
