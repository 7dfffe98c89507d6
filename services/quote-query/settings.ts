// The settings of a quote-query process; read once by main.ts.

import { parseOneOf } from "../../common/settings.ts";
import { readServiceSettings, serviceRows } from "../kit/service-settings.ts";
import { readModelRows } from "../read-model/settings.ts";

export const settingRows = {
  ...serviceRows,
  version: {
    env: "FERRY_VERSION",
    parse: parseOneOf("v1", "v2"),
    fallback: "v1" as "v1" | "v2",
    doc: "the deployed version: v1 serves quoter.query.v1, v2 serves .v1 and .v2 from the model that has views and likes",
  },
  ...readModelRows,
} as const;

/** Throws an Error that names all that is wrong. */
export function readQuerySettings(env: NodeJS.ProcessEnv) {
  return readServiceSettings(settingRows, env);
}
