// What read-model.suite.ts needs of an implementation.

import type { ReadModelStore } from "../read-model-store.ts";

/** A place for one model, empty at first. */
export interface ModelFixture {
  /** A store on that place; two of them are as two processes. */
  store(): ReadModelStore;
  remove(): Promise<void>;
}
