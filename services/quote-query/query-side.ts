// What a quote-query instance serves: its version's services over one read model, and its health. A v2 instance serves
// both versions of the API from the v2 model, so that v1's traffic can move to it. Called by main.ts and by tests.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { ServedService } from "../kit/handler.ts";
import type { HealthProbe } from "../kit/health.ts";
import type { ReadModelReader, ReadModelVersion } from "../read-model/read-model.ts";
import { FollowedModel } from "./followed-model.ts";
import { Queries } from "./queries.ts";
import { readModelService } from "./read-model-service.ts";
import { queryServiceV1 } from "./v1/service.ts";
import { queryServiceV2 } from "./v2/service.ts";

export interface QuerySideOptions {
  readonly version: ReadModelVersion;
  /** Of the model of that version. */
  readonly reader: ReadModelReader;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the following of the model. */
  readonly signal: AbortSignal;
}

export interface QuerySide {
  readonly services: readonly ServedService[];
  readonly health: HealthProbe;
}

export function querySide({ version, reader, clock, random, signal }: QuerySideOptions): QuerySide {
  const model = new FollowedModel(reader, clock, signal);
  const queries = new Queries(model, random);
  const ofVersion = version === "v2" ? [queryServiceV1(queries), queryServiceV2(queries)] : [queryServiceV1(queries)];
  return { services: [...ofVersion, readModelService(model)], health: () => model.health() };
}
