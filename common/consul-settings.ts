// How a process reaches Consul: the rows of the environment variables that every Consul tool honours. Part of the
// sidecar's and the command line's settings tables. The token is a secret: whoever shows settings leaves it out.

import { readFileSync } from "node:fs";
import { type Address, parseText, type SettingRow } from "./settings.ts";

export const consulRows = {
  consulAddress: {
    env: "CONSUL_HTTP_ADDR",
    parse: parseConsulAddress,
    fallback: { host: "127.0.0.1", port: 8500 } as Address,
    doc: "The HTTP API of the Consul agent, as 127.0.0.1:8500 or http://consul:8500. Plain HTTP only.",
  },
  consulToken: {
    env: "CONSUL_HTTP_TOKEN",
    parse: parseText,
    fallback: null as string | null,
    doc: "The ACL token for Consul. Wins over the token file. Never shown.",
  },
  consulTokenFile: {
    env: "CONSUL_HTTP_TOKEN_FILE",
    parse: parseText,
    fallback: null as string | null,
    doc: "A file whose content is the ACL token for Consul; read once at the start.",
  },
} as const satisfies Record<string, SettingRow<unknown>>;

export interface ConsulAccessSettings {
  readonly consulAddress: Address;
  readonly consulToken: string | null;
  readonly consulTokenFile: string | null;
}

/** Where Consul is and what to show there. */
export interface ConsulAccess {
  readonly address: Address;
  readonly token: string | undefined;
}

/** Reads the token file when there is one; throws one sentence when it cannot be read. */
export function consulAccess(settings: ConsulAccessSettings): ConsulAccess {
  const { consulAddress: address, consulToken, consulTokenFile } = settings;
  if (consulToken !== null) return { address, token: consulToken };
  if (consulTokenFile === null) return { address, token: undefined };
  try {
    return { address, token: readFileSync(consulTokenFile, "utf8").trim() || undefined };
  } catch (error) {
    throw new Error(`CONSUL_HTTP_TOKEN_FILE: cannot read ${consulTokenFile}: ${(error as Error).message}`);
  }
}

/** `host:port`, `http://host:port` or `host`, as Consul's own tools read it; the port is 8500 unless stated. */
export function parseConsulAddress(text: string): Address {
  const expected = "the address of a Consul agent, as 127.0.0.1:8500 or http://consul:8500 (plain HTTP)";
  const match = /^(?:http:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+))(?::(\d{1,5}))?\/?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? 8500);
  if (host === undefined || port > 65_535) throw new Error(expected);
  return { host, port };
}
