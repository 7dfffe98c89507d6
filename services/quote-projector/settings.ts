// The settings of a quote-projector process; read once by main.ts.

import { parseOneOf } from "../../common/settings.ts";
import { eventLogRows } from "../events/settings.ts";
import { readServiceSettings, serviceRows } from "../kit/service-settings.ts";
import type { ReadModelVersion } from "../read-model/read-model.ts";
import { readModelRows } from "../read-model/settings.ts";

const { home, instance, logLevel } = serviceRows;

export const settingRows = {
  version: {
    env: "FERRY_VERSION",
    parse: parseOneOf("v1", "v2"),
    fallback: undefined as ReadModelVersion | undefined,
    doc: "which read model this process writes: v1 or v2",
  },
  home,
  instance,
  logLevel,
  ...eventLogRows,
  ...readModelRows,
  rebuild: {
    env: "FERRY_REBUILD",
    parse: (text: string) => parseOneOf("0", "1")(text) === "1",
    fallback: false as boolean,
    doc: "1: build the model again from the whole log, beside the one that serves; the same as --rebuild",
  },
} as const;

/** Throws an Error that names all that is wrong. `words`: the command line behind the file, `--rebuild` or nothing. */
export function readProjectorSettings(env: NodeJS.ProcessEnv, words: readonly string[]) {
  const unknown = words.filter((word) => word !== "--rebuild");
  if (unknown.length > 0) throw new Error(`unknown argument ${unknown.join(" ")}: expected nothing or --rebuild`);
  const settings = readServiceSettings(settingRows, env);
  return { ...settings, rebuild: settings.rebuild || words.includes("--rebuild") };
}
