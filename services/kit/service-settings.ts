// The settings that every service of the quoter has. Each service's settings.ts adds its own rows.

import { settingNames } from "../../common/setting-names.ts";
import {
  type Address,
  describeProblems,
  parseAddress,
  parseDurationMs,
  parseOneOf,
  parseText,
  readSettings,
  type SettingRow,
  type SettingRows,
  type SettingsOf,
} from "../../common/settings.ts";

export const serviceRows = {
  listen: {
    env: "FERRY_LISTEN",
    parse: parseAddress,
    fallback: { host: "127.0.0.1", port: 0 } as Address,
    doc: "where the service listens for gRPC; port 0 takes any free one and the ready line tells it",
  },
  home: {
    env: "FERRY_HOME",
    parse: parseText,
    fallback: ".ferry",
    doc: "the folder that holds the event log and the read models",
  },
  instance: {
    env: "FERRY_INSTANCE",
    parse: parseText,
    fallback: null as string | null,
    doc: "the name of this instance in answers, logs and the registry; default: the service and the process id",
  },
  drainPropagationMs: {
    env: "FERRY_DRAIN_PROPAGATION",
    parse: parseDurationMs,
    fallback: 0 as number,
    unit: "ms",
    doc: "how long calls are still taken after SIGTERM, while health says no; for whoever ends it before its sidecar, as compose does",
  },
  drainGraceMs: {
    env: "FERRY_DRAIN_GRACE",
    parse: parseDurationMs,
    fallback: 30_000,
    unit: "ms",
    doc: "how long running calls may take after SIGTERM before they are cut",
  },
  logLevel: {
    env: "FERRY_LOG",
    parse: parseOneOf("error", "info", "debug"),
    fallback: "info" as "error" | "info" | "debug",
    doc: "the least important lines that the log on stderr has",
  },
} as const satisfies Record<string, SettingRow<unknown>>;

/** The settings, or an Error that names all that is wrong with them. */
export function readServiceSettings<const R extends SettingRows>(rows: R, env: NodeJS.ProcessEnv): SettingsOf<R> {
  const result = readSettings(rows, env, settingNames);
  if ("problems" in result) throw new Error(describeProblems(result.problems));
  return result.settings;
}
