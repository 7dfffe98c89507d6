// What Consul says when it refuses a config entry, as a problem with file, path, expected form and suggestion. Its
// texts: reference "config entry" errors of Consul 1.21; one that is not in the table is passed on whole.

import type { ConsulRefused } from "../../sidecar/discovery/consul/consul-client.ts";
import { type ConfigEntry, fileOf } from "../../sidecar/routing/mesh-config/config-entry.ts";
import type { Problem } from "../../sidecar/routing/mesh-config/problem.ts";

interface Refusal {
  readonly text: RegExp;
  readonly path: string;
  readonly expected: string;
  /** `$1` is what the pattern caught. */
  readonly found: string;
  readonly suggestion: string;
}

const refusals: readonly Refusal[] = [
  {
    text: /uses a protocol "([^"]*)" that does not permit advanced routing/,
    path: "",
    expected: "a service with the protocol grpc, http2 or http",
    found: 'the protocol "$1"',
    suggestion: 'service-defaults with "Protocol": "grpc" for it',
  },
  {
    text: /has protocol "([^"]*)", which is incompatible with L7 intentions/,
    path: "Sources",
    expected: "a service with the protocol grpc, http2 or http",
    found: 'the protocol "$1"',
    suggestion: 'service-defaults with "Protocol": "grpc" for it',
  },
  {
    text: /inconsistent protocols; (service "[^"]*" has "[^"]*" which is not "[^"]*")/,
    path: "",
    expected: "one protocol for all services of a chain",
    found: "$1",
    suggestion: "the same Protocol in the service-defaults of both",
  },
  {
    text: /(service "[^"]*" does not have a subset named "[^"]*")/,
    path: "",
    expected: "a subset that the service-resolver has",
    found: "$1",
    suggestion: "",
  },
  {
    text: /sum of all split weights must be 100, not ([\d.]+)/,
    path: "Splits",
    expected: "weights that sum to 100",
    found: "$1",
    suggestion: "",
  },
  {
    text: /split destination occurs more than once: (.*)/,
    path: "Splits",
    expected: "each destination once",
    found: "$1",
    suggestion: "",
  },
  {
    text: /(detected circular .*)/,
    path: "",
    expected: "references that end",
    found: "$1",
    suggestion: "",
  },
  {
    text: /Filter for subset "[^"]*" is not a valid expression: (.*)/,
    path: "Subsets",
    expected: "a filter as Service.Meta.version == v1",
    found: "$1",
    suggestion: "",
  },
  {
    text: /invalid config key "([^"]*)"/,
    path: "$1",
    expected: "a field that this version of Consul knows",
    found: '"$1"',
    suggestion: "",
  },
];

export function problemOfRefusal({ Kind, Name }: ConfigEntry, refused: ConsulRefused): Problem {
  const file = fileOf(Kind, Name);
  const text = refused.text.replace(/\s+/g, " ");
  if (refused.status === 403) {
    const suggestion = "a CONSUL_HTTP_TOKEN with the permission that is named";
    return { file, path: "", expected: "a token that may write it", found: text, suggestion };
  }
  for (const known of refusals) {
    const caught = known.text.exec(text);
    if (caught === null) continue;
    const fill = (template: string) => template.replace("$1", caught[1] ?? "");
    return {
      ...{ file, path: fill(known.path), expected: known.expected },
      ...{ found: fill(known.found), suggestion: known.suggestion },
    };
  }
  return { file, path: "", expected: "an entry that Consul accepts", found: text, suggestion: "" };
}
