// The event stream as `ferry events` sees it: a connection, a plan, and its application. Loaded by cli/events.ts only
// when needed, since it brings the NATS client along. Uses what the services use when they start.

import { readFile } from "node:fs/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { parseNatsUrl } from "../../services/events/jetstream/nats-address.ts";
import { applyStream, planStream, type StreamPlan } from "../../services/events/jetstream/plan-stream.ts";
import { missingInServer } from "../../services/events/jetstream/server-check.ts";
import { connectTo, explained, whereOf } from "../../services/events/jetstream/session.ts";
import { show, streamSettings } from "../../services/events/jetstream/stream-settings.ts";
import type { readEventStreamSettings } from "../../services/events/settings.ts";

/** A difference for people and for JSON. */
export interface ShownDifference {
  readonly field: string;
  readonly actual: string;
  readonly wanted: string;
  readonly reason: string;
  readonly mayChange: boolean;
}

export interface StreamReport {
  readonly stream: string;
  /** Without secrets. */
  readonly server: string;
  readonly exists: boolean;
  readonly isAsWanted: boolean;
  /** All settings when the stream does not exist. */
  readonly differences: readonly ShownDifference[];
}

export interface EventStream {
  plan(): Promise<StreamReport>;
  apply(): Promise<{ readonly before: StreamReport; readonly after: StreamReport }>;
  close(): Promise<void>;
}

const PATIENCE_MS = 5000;

/** Connects. Throws an Error that says what to do. */
export async function openEventStream(settings: ReturnType<typeof readEventStreamSettings>): Promise<EventStream> {
  const { natsUrl, natsCreds, eventStream: name, eventReplicas: replicas, eventMaxBytes: maxBytes } = settings;
  const address = parseNatsUrl(natsUrl);
  const credentials = natsCreds === null ? {} : { credentials: await readFile(natsCreds) };
  const choice = { name, replicas, maxBytes };
  const where = whereOf({ address, stream: choice });
  const connection = await connectTo({ address, ...credentials, stream: choice, giveUpAfterMs: PATIENCE_MS });
  const missing = missingInServer(connection.info ?? { version: "unknown" });
  if (missing !== undefined) {
    await connection.close();
    throw new Error(`${where}: ${missing}`);
  }
  const jsm = await jetstreamManager(connection, { timeout: PATIENCE_MS, checkAPI: false });
  const attempt = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw explained(where, error);
    });
  const report = (plan: StreamPlan): StreamReport => ({
    stream: name,
    server: address.shown,
    exists: plan.actual !== undefined,
    isAsWanted: plan.actual !== undefined && plan.differences.length === 0,
    differences: shown(plan.actual === undefined ? allOf(choice) : plan.differences),
  });
  return {
    plan: async () => report(await attempt(planStream(jsm, choice))),
    async apply() {
      const plan = await attempt(planStream(jsm, choice));
      await attempt(applyStream(jsm, choice, plan));
      return { before: report(plan), after: report(await attempt(planStream(jsm, choice))) };
    },
    close: () => connection.close(),
  };
}

function allOf(choice: Parameters<typeof streamSettings>[0]): StreamPlan["differences"] {
  return streamSettings(choice)
    .filter(({ wanted }) => wanted !== undefined)
    .map((row) => ({ ...row, actual: undefined, isFixed: false }));
}

function shown(differences: StreamPlan["differences"]): readonly ShownDifference[] {
  return differences.map(({ field, actual, wanted, reason, isFixed }) => ({
    field,
    actual: show(actual),
    wanted: show(wanted),
    reason,
    mayChange: isFixed !== true,
  }));
}
