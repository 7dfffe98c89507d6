// What Consul says when it refuses a config entry, as a problem with file, path, expected form and suggestion. Its
// texts are those of Consul 1.21 (refusals.int.test.ts plays them); one that is not in the table is passed on whole.

import type { ConsulRefused } from "../../sidecar/discovery/consul/consul-client.ts";
import { type ConfigEntry, fileOf } from "../../sidecar/routing/mesh-config/config-entry.ts";
import type { Problem } from "../../sidecar/routing/mesh-config/problem.ts";

interface Refusal {
  readonly text: RegExp;
  /** Where in the entry; `$1` and so on are what the pattern caught. `=$1`: where the entry says that. */
  readonly path: string;
  readonly expected: string;
  readonly found: string;
  /** What to do; empty when `expected` says it. */
  readonly suggestion: string;
}

const isGrpc = 'write service-defaults with "Protocol": "grpc" for it';
const anHttpProtocol = "a service with the protocol grpc, http2 or http";

const refusals: readonly Refusal[] = [
  {
    text: /uses a protocol "([^"]*)" that does not permit advanced routing/,
    ...{ path: "", expected: anHttpProtocol, found: 'the protocol "$1"', suggestion: isGrpc },
  },
  {
    text: /has protocol "([^"]*)", which is incompatible with L7 intentions/,
    ...{ path: "Sources", expected: anHttpProtocol, found: 'the protocol "$1"', suggestion: isGrpc },
  },
  {
    text: /inconsistent protocols; (service "([^"]*)" has "[^"]*" which is not "[^"]*")/,
    ...{ path: "=$2", expected: "one protocol for all services of a chain", found: "$1" },
    suggestion: "write the same Protocol into the service-defaults of both",
  },
  {
    text: /(service "[^"]*" does not have a subset named "([^"]*)")/,
    ...{ path: "=$2", expected: "a subset that the service-resolver has", found: "$1", suggestion: "" },
  },
  {
    text: /DefaultSubset ("[^"]*") is not a valid subset/,
    ...{ path: "DefaultSubset", expected: "the name of one of Subsets", found: "$1", suggestion: "" },
  },
  {
    text: /sum of all split weights must be 100, not (\d+(?:\.\d*[1-9])?)/,
    ...{ path: "Splits", expected: "weights that sum to 100", found: "$1", suggestion: "" },
  },
  {
    text: /split destination occurs more than once: (.*)/,
    ...{ path: "Splits", expected: "each destination once", found: "$1", suggestion: "" },
  },
  {
    text: /(detected circular .*)/,
    ...{ path: "", expected: "references that end", found: "$1", suggestion: "" },
  },
  {
    text: /Filter for subset "([^"]*)" is not a valid expression: (.*)/,
    ...{ path: "Subsets.$1.Filter", expected: "a filter as Service.Meta.version == v1", found: "$2", suggestion: "" },
  },
  {
    text: /invalid config key "([^"]*)"/,
    ...{ path: "$1", expected: "a field that this version of Consul knows", found: '"$1"', suggestion: "" },
  },
  {
    text: /invalid value for protocol: (.*)/,
    ...{ path: "Protocol", expected: "one of tcp, http, http2, grpc", found: "$1", suggestion: "" },
  },
  {
    text: /error decoding '([^']*)': .*invalid duration (.*)/,
    ...{ path: "$1", expected: "a duration as 500ms or 1m30s", found: "$2", suggestion: "" },
  },
  {
    text: /(?:Bad Failover\[("[^"]*")\]: )?(.*requires Consul Enterprise)/,
    ...{ path: "", expected: "what open-source Consul has", found: "$2", suggestion: "" },
  },
  {
    text: /Bad LoadBalancer configuration: (.*)/,
    ...{ path: "LoadBalancer", expected: "a policy and what belongs to it", found: "$1", suggestion: "" },
  },
  {
    text: /Route(\[\d+\]) (.*)/,
    ...{ path: "Routes$1", expected: "a route that Consul accepts", found: "$2", suggestion: "" },
  },
  {
    text: /(Sources\[\d+\]\S*) (.*)/,
    ...{ path: "$1", expected: "a source that Consul accepts", found: "it $2", suggestion: "" },
  },
  {
    text: /name must be the name of a service, and not a (wildcard)/,
    ...{ path: "Name", expected: "the name of one service", found: "a $1", suggestion: "" },
  },
];

export function problemOfRefusal(entry: ConfigEntry, refused: Pick<ConsulRefused, "status" | "text">): Problem {
  const file = fileOf(entry.Kind, entry.Name);
  const text = refused.text.replace(/\s+/g, " ").trim();
  if (refused.status === 403) {
    const suggestion = "set CONSUL_HTTP_TOKEN to a token with that permission";
    return { file, path: "", expected: "a token that may read and write it", found: text, suggestion };
  }
  for (const known of refusals) {
    const caught = known.text.exec(text);
    if (caught === null) continue;
    const fill = (template: string) => template.replace(/\$(\d)/g, (_, at: string) => caught[Number(at)] ?? "");
    const path = known.path.startsWith("=") ? pathOfText(entry, fill(known.path.slice(1))) : fill(known.path);
    return { file, path, expected: known.expected, found: fill(known.found), suggestion: known.suggestion };
  }
  return { file, path: "", expected: "an entry that Consul accepts", found: text, suggestion: "" };
}

/** The path of the first field whose value is `text`; empty when it is another entry that says it. */
function pathOfText(entry: ConfigEntry, text: string): string {
  const search = (value: unknown, path: string): string | undefined => {
    if (value === text) return path;
    if (typeof value !== "object" || value === null) return undefined;
    for (const [key, held] of Object.entries(value)) {
      const own = Array.isArray(value) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
      const found = search(held, own);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const { Kind: _, Name: __, ...fields } = entry;
  return search(fields, "") ?? "";
}
