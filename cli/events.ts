// `ferry events`: the stream that holds the event log on NATS JetStream. `plan` shows in what it differs from what we
// want, and why we want it; `apply` makes it so. Its settings are code (services/events/jetstream/stream-settings.ts);
// what an operator chooses is in the environment, the same as for the services.

import { Command } from "commander";
import { readEventStreamSettings } from "../services/events/settings.ts";
import { type Console, openConsole } from "./console.ts";
import type { EventStream, StreamReport } from "./events/event-stream.ts";
import { CommandError, exitOk, exitUnmet, reasonOf } from "./exit.ts";

type Finish = (code: number) => void;

export function eventsCommand(finish: Finish): Command {
  return new Command("events")
    .description("plan or apply the settings of the event stream on NATS JetStream")
    .addCommand(planCommand(finish))
    .addCommand(applyCommand(finish));
}

function planCommand(finish: Finish): Command {
  return new Command("plan")
    .description("show what `apply` would change; exit code 1 when there is something")
    .option("--json", "one JSON object on stdout")
    .action(async (options: { json?: boolean }) => {
      const out = openConsole("events", options.json === true);
      const report = await onStream((stream) => stream.plan());
      showPlan(out, report);
      out.result(report.isAsWanted, { action: "plan", ...fieldsOf(report) });
      finish(report.isAsWanted ? exitOk : exitUnmet);
    });
}

function applyCommand(finish: Finish): Command {
  return new Command("apply")
    .description("make the stream, or change what differs")
    .option("--json", "one JSON object on stdout")
    .action(async (options: { json?: boolean }) => {
      const out = openConsole("events", options.json === true);
      const { before, after } = await onStream((stream) => stream.apply());
      showPlan(out, before);
      if (!before.isAsWanted) showOutcome(out, after);
      out.result(after.isAsWanted, { action: "apply", changed: !before.isAsWanted, ...fieldsOf(after), before });
      finish(after.isAsWanted ? exitOk : exitUnmet);
    });
}

/** The NATS client is loaded only here. */
async function onStream<T>(work: (stream: EventStream) => Promise<T>): Promise<T> {
  const { openEventStream } = await import("./events/event-stream.ts");
  let stream: EventStream | undefined;
  try {
    stream = await openEventStream(readEventStreamSettings());
    return await work(stream);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw new CommandError(reasonOf(error));
  } finally {
    await stream?.close();
  }
}

function showPlan(out: Console, { stream, server, exists, isAsWanted, differences }: StreamReport): void {
  if (!exists) out.print(`${server}: stream ${stream} does not exist and would be made`);
  else if (isAsWanted) out.print(`${server}: stream ${stream} is as wanted`);
  else out.print(`${server}: stream ${stream} differs in ${differences.length} of its settings`);
  for (const { field, actual, wanted, reason, mayChange } of differences) {
    const change = exists ? `${actual} -> ${wanted}` : wanted;
    out.print(`  ${field}: ${change}${mayChange ? "" : " (cannot be changed: name another stream)"}`);
    out.print(`      ${reason}`);
  }
}

function showOutcome(out: Console, { stream, isAsWanted, differences }: StreamReport): void {
  if (isAsWanted) out.print(`stream ${stream}: applied`);
  else out.warn(`ferry: stream ${stream} still differs in ${differences.map(({ field }) => field).join(", ")}`);
}

function fieldsOf({ stream, server, exists, differences }: StreamReport) {
  return { stream, server, exists, differences };
}
