// The command line's own settings. Options win over them. The settings of the processes that it starts share the
// environment and are handed on, except those that name one single process. Where the environment does not say which
// registry there is, the stack that runs in this home does.

import { resolve } from "node:path";
import { consulRows } from "../common/consul-settings.ts";
import { settingNames } from "../common/setting-names.ts";
import {
  type Address,
  describeProblems,
  parseOneOf,
  parseText,
  readSettings,
  type SettingRow,
} from "../common/settings.ts";
import { eventLogRows } from "../services/events/settings.ts";
import { readModelRows } from "../services/read-model/settings.ts";
import { CommandError } from "./exit.ts";
import { readStack } from "./supervise/home.ts";
import { compileCache } from "./supervise/programs.ts";

const optionalText = (env: string, doc: string): SettingRow<string | null> => ({
  env,
  parse: parseText,
  fallback: null,
  doc,
});

export const cliRows = {
  home: {
    env: "FERRY_HOME",
    parse: parseText,
    fallback: ".ferry",
    doc: "The directory that holds the registry, the event log, the read models and the logs; a stack of its own each.",
  },
  registry: {
    env: "FERRY_REGISTRY",
    parse: parseOneOf("directory", "consul"),
    fallback: "directory" as "directory" | "consul",
    doc: "Where instances are registered; the started sidecars read it too.",
  },
  ...consulRows,
  events: eventLogRows.events,
  natsUrl: eventLogRows.natsUrl,
  ...readModelRows,
  meshConfig: optionalText("FERRY_MESH_CONFIG", "The directory with the mesh configuration."),
  otlpEndpoint: optionalText(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "Where spans go, as http://127.0.0.1:4318; unset: nowhere.",
  ),
  otlpServiceName: optionalText("OTEL_SERVICE_NAME", "The name of the client's spans; `ferry-call` unless set."),
};

export interface CliSettings {
  /** Absolute. */
  readonly home: string;
  readonly registry: "directory" | "consul";
  readonly consulAddress: Address;
  readonly consulToken: string | null;
  readonly consulTokenFile: string | null;
  readonly events: "sqlite" | "nats";
  /** May hold a password. */
  readonly natsUrl: string;
  readonly readModel: "sqlite" | "postgres";
  /** May hold a password. */
  readonly databaseUrl: string | null;
  readonly meshConfig: string | null;
  readonly otlpEndpoint: string | null;
  readonly otlpServiceName: string | null;
  /** What the started processes get besides their own settings. */
  readonly childEnv: Readonly<NodeJS.ProcessEnv>;
}

/** Settings of one process, which must not leak from our environment into all that we start. */
const perProcess = [
  "FERRY_ADMIN",
  "FERRY_APP",
  "FERRY_APP_PID",
  "FERRY_GRPC_SERVICES",
  "FERRY_INBOUND",
  "FERRY_INSTANCE",
  "FERRY_LISTEN",
  "FERRY_META",
  "FERRY_OUTBOUND",
  "FERRY_REBUILD",
  "FERRY_ROLE",
  "FERRY_SERVICE",
  "FERRY_UPSTREAMS",
  "FERRY_VERSION",
  "FERRY_WEIGHT",
];

/** Names that the end-to-end tests read. */
const testNames = ["FERRY_CONSUL", "FERRY_GRPCURL", "FERRY_PYTHON"];

/** Throws a CommandError that names every wrong setting. `homeOption` is `--home`, which wins. */
export function readCliSettings(homeOption?: string, own: NodeJS.ProcessEnv = process.env): CliSettings {
  const home = resolve(homeOption ?? (own.FERRY_HOME || cliRows.home.fallback));
  const env = { ...registryOfStack(home), ...own };
  const read = readSettings(cliRows, env, [...settingNames, ...testNames]);
  if ("problems" in read) throw new CommandError(`settings: ${describeProblems(read.problems)}`);
  const dropped = new Set([...perProcess, ...testNames]);
  const kept = Object.entries(env).filter(
    ([name, value]) =>
      !dropped.has(name) &&
      // What an outer `ferry run` told us is not for what we start.
      !name.startsWith("FERRY_UPSTREAM_") &&
      // Our launcher's cache of compiled code is not for a user's own Node programs.
      !(name === "NODE_COMPILE_CACHE" && value === compileCache),
  );
  return { ...read.settings, home, childEnv: Object.freeze({ ...Object.fromEntries(kept), FERRY_HOME: home }) };
}

/** Never the token, which is not written down anywhere. */
function registryOfStack(home: string): NodeJS.ProcessEnv {
  const consul = readStack(home)?.consul;
  return consul === undefined || consul === null ? {} : { FERRY_REGISTRY: "consul", CONSUL_HTTP_ADDR: consul };
}
