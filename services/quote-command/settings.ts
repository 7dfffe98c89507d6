// The settings of a quote-command process; read once by main.ts.

import { parseText } from "../../common/settings.ts";
import { eventLogRows } from "../events/settings.ts";
import { readServiceSettings, serviceRows } from "../kit/service-settings.ts";

export const settingRows = {
  ...serviceRows,
  version: {
    env: "FERRY_VERSION",
    parse: parseText,
    fallback: "v1",
    doc: "the deployed version, which every answer carries as x-quoter-version",
  },
  ...eventLogRows,
} as const;

/** Throws an Error that names all that is wrong. */
export function readCommandSettings(env: NodeJS.ProcessEnv) {
  return readServiceSettings(settingRows, env);
}
