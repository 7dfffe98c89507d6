// The HTTP/2 programs of others that clients-through-proxy.test.ts runs. A missing one fails its tests with a sentence.

import { spawnSync } from "node:child_process";

const packages = { curl: "curl", nghttp: "nghttp2-client", h2load: "nghttp2-client", go: "golang" } as const;

/** Its name, when it can be run. Throws one sentence otherwise. */
export function requireProgram(name: keyof typeof packages): string {
  const { error } = spawnSync(name, [name === "go" ? "version" : "--version"], { stdio: "ignore" });
  if (error === undefined) return name;
  throw new Error(`${name} is not on PATH; Debian's package is ${packages[name]} (apt-get install ${packages[name]})`);
}
