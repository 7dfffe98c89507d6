// Compares the stream on the server with the one that we want, and makes it so. Called by session.ts when a process
// starts (which only makes a stream that is not there) and by `ferry events`. Throws what the NATS client throws.

import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager, type StreamConfig } from "@nats-io/jetstream";
import { differences, type StreamChoice, type StreamDifference, wantedConfig } from "./stream-settings.ts";

export interface StreamPlan {
  /** Undefined: the stream does not exist. */
  readonly actual: StreamConfig | undefined;
  /** Of a stream that exists. */
  readonly differences: readonly StreamDifference[];
}

/** What would have to change. */
export async function planStream(jsm: JetStreamManager, choice: StreamChoice): Promise<StreamPlan> {
  const actual = await streamConfig(jsm, choice.name);
  return { actual, differences: actual === undefined ? [] : differences(actual, choice) };
}

/** Makes the stream, or changes what can be changed. */
export async function applyStream(jsm: JetStreamManager, choice: StreamChoice, plan: StreamPlan): Promise<void> {
  if (plan.actual === undefined) {
    await jsm.streams.add(wantedConfig(choice));
    return;
  }
  const changes = plan.differences.filter(({ isFixed }) => isFixed !== true);
  if (changes.length === 0) return;
  const changed = Object.fromEntries(changes.map(({ field, wanted }) => [field, wanted]));
  await jsm.streams.update(choice.name, { ...plan.actual, ...changed });
}

async function streamConfig(jsm: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await jsm.streams.info(name)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return undefined;
    throw error;
  }
}
