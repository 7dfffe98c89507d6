// The projector of one read model: takes the right to write, follows the log, and on demand builds the model again from
// zero beside the one that serves, which meanwhile is kept up as before. Called by main.ts, which owns the log.

import type { Clock } from "../../common/clock.ts";
import type { JsonLog } from "../../common/json-log.ts";
import type { EventLog, Position } from "../events/event-log.ts";
import type { ReadModelWriter } from "../read-model/read-model.ts";
import { type ReadModelStore, ReadModelUnavailable } from "../read-model/read-model-store.ts";
import { type BatchSpans, Projection } from "./projection.ts";

export interface ProjectorOptions {
  readonly store: ReadModelStore;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly jsonLog: JsonLog;
  readonly rebuild: boolean;
  readonly spans?: BatchSpans | undefined;
}

export interface StartedProjector {
  /** What the model held at the start. */
  readonly position: Position;
  /** Resolves when `signal` has aborted and all is closed; rejects when going on makes no sense. */
  readonly ended: Promise<void>;
}

/** Starts to follow. Rejects with one clear sentence when another process writes the model or it cannot be opened. */
export async function startProjector(options: ProjectorOptions, signal: AbortSignal): Promise<StartedProjector> {
  const { store, rebuild } = options;
  const taken = await store.lock();
  if ("holder" in taken) {
    throw new Error(`read model ${store.name}: ${taken.holder} writes it already, and there can be only one writer`);
  }
  try {
    const serving = await openServing(options);
    const position = serving === undefined ? 0 : (await began(serving)).projection.position;
    const ended = rebuild ? rebuildBeside(options, serving, signal) : follow(serving, signal);
    return { position, ended: ended.finally(() => taken.lock.release()) };
  } catch (error) {
    await taken.lock.release();
    throw error;
  }
}

/** A projection with the writer that it writes by. */
interface Running {
  readonly writer: ReadModelWriter;
  readonly projection: Projection;
}

/** Undefined: the model cannot be opened, but is to be rebuilt anyway. */
async function openServing(options: ProjectorOptions): Promise<Running | undefined> {
  try {
    return running(options, await options.store.openWriter(), options.store.name);
  } catch (error) {
    if (!(error instanceof ReadModelUnavailable)) throw error;
    if (!error.mayRebuildHelp) throw error;
    if (!options.rebuild) throw new Error(`${error.message}; --rebuild makes it anew from the log`, { cause: error });
    options.jsonLog.error(error.message, { model: options.store.name });
    return undefined;
  }
}

/** `followerName`: what operators of the log see; another than the model's own passes with the projection. */
function running(
  { log, clock, jsonLog, spans, store: { name } }: ProjectorOptions,
  writer: ReadModelWriter,
  followerName: string,
  onCaughtUp: () => void = () => {},
): Running {
  const onNotice = (sentence: string) => jsonLog.info(sentence, { model: name });
  const follower = { name: followerName, isPassing: followerName !== name, onNotice };
  const tracing = spans === undefined ? {} : { spans };
  const projection = new Projection({ name, log, follower, writer, clock, jsonLog, onCaughtUp, ...tracing });
  return { writer, projection };
}

async function follow(serving: Running | undefined, signal: AbortSignal): Promise<void> {
  if (serving === undefined) return;
  try {
    await serving.projection.run(signal);
  } finally {
    await serving.writer.close();
  }
}

/** Both models follow until the new one has all that the old one has; then it takes over. */
async function rebuildBeside(options: ProjectorOptions, old: Running | undefined, signal: AbortSignal): Promise<void> {
  const stopOld = new AbortController();
  const keepingOld = follow(old, AbortSignal.any([signal, stopOld.signal]));
  // The new model does not need the old one, so its trouble does not end the rebuild.
  keepingOld.catch((error: unknown) => options.jsonLog.error("the old model is no longer kept up", { error }));
  const endOld = async () => {
    stopOld.abort();
    await Promise.allSettled([keepingOld]);
    return old?.projection.position ?? 0;
  };
  try {
    const writer = await buildNew(options, endOld, signal);
    await follow(await began(running(options, writer, options.store.name)), signal);
  } finally {
    await endOld();
  }
}

/** Gives the writer of the new model when it serves; when `signal` aborts before, the old one still does. */
async function buildNew(
  options: ProjectorOptions,
  endOld: () => Promise<Position>,
  signal: AbortSignal,
): Promise<ReadModelWriter> {
  const { store, jsonLog } = options;
  const rebuild = await store.beginRebuild();
  jsonLog.info("rebuilding", { model: store.name });
  const caughtUp = Promise.withResolvers<void>();
  const stop = new AbortController();
  const untilStop = AbortSignal.any([signal, stop.signal]);
  // Records were projected before, so their spans exist already.
  const { projection } = await began(
    running({ ...options, spans: undefined }, rebuild.writer, `${store.name}-rebuild`, caughtUp.resolve),
  );
  const building = projection.run(untilStop);
  try {
    await Promise.race([caughtUp.promise, building]);
    // The old model went on meanwhile, and readers must never see an older position than they have seen.
    const oldPosition = await endOld();
    await Promise.race([reaches(options, projection, oldPosition, untilStop), building]);
    if (!signal.aborted) {
      await rebuild.switchOver();
      jsonLog.info("the rebuilt model serves", { model: store.name, position: projection.position });
    }
  } finally {
    stop.abort();
    await Promise.allSettled([building]);
  }
  await building;
  return rebuild.writer;
}

async function began(started: Running): Promise<Running> {
  await started.projection.begin();
  return started;
}

/** Also resolves when the log does not go so far: then the old model came from another log. */
async function reaches(
  { log, clock }: ProjectorOptions,
  projection: Projection,
  position: Position,
  signal: AbortSignal,
): Promise<void> {
  while (projection.position < position && !signal.aborted) {
    const head = await log.head().catch(() => position);
    if (head < position) return;
    await new Promise<void>((resolve) => clock.after(5, resolve));
  }
}
