// A process of its own for event-log.suite.ts, made to be killed with SIGKILL at any moment.
//
// log-worker.ts writer <module> <argument> <name> <from> <to>: sends the commands <name>-<from> … <name>-<to>, one
// after the other, each to one of five streams that all writers share, and prints `ack <number>` when the log has
// acknowledged it. A command whose outcome it cannot know (it was killed) is looked for in its stream first, as a
// service does.
// log-worker.ts reader <module> <argument> <after> <batchSize> [<follower>]: prints every record as
// `<position> <stream> <version> <commandId>`, for ever.

import { writeSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { stayAlive } from "../../../common/stay-alive.ts";
import { QuoteLikedSchema } from "../../../gen/quoter/events/v1/events_pb.ts";
import type { EventLog } from "../event-log.ts";
import { LogUnavailable } from "../event-log.ts";
import type { LogModule } from "./log-fixture.ts";
import { recordOf } from "./records.ts";

const mayEnd = stayAlive();

const [role = "", module = "", argument = "", ...rest] = process.argv.slice(2);
const { openLog } = (await import(module)) as LogModule;
const log = await openLog(argument);
if (role === "writer") await write(log, rest[0] ?? "", Number(rest[1]), Number(rest[2]));
else await read(log, Number(rest[0]), Number(rest[1]), rest[2]);
await log.close();
mayEnd();

async function write(log: EventLog, name: string, from: number, to: number): Promise<void> {
  for (let number = from; number <= to; ) {
    try {
      await send(log, `suite-${number % 5}`, `${name}-${number}`);
      print(`ack ${number}`);
      number++;
    } catch (error) {
      if (!(error instanceof LogUnavailable)) throw error;
    }
  }
}

async function send(log: EventLog, stream: string, commandId: string): Promise<void> {
  for (;;) {
    const records = await log.readStream(stream);
    if (records.some(({ record }) => record.commandId === commandId)) return;
    const record = recordOf(commandId, create(QuoteLikedSchema, { quoteId: stream }));
    if ((await log.append(stream, records.length, record)).ok) return;
  }
}

async function read(log: EventLog, after: number, batchSize: number, name: string | undefined): Promise<void> {
  const forever = new AbortController().signal;
  const follower = name === undefined ? undefined : { name };
  await log.follow(
    after,
    batchSize,
    async (records) => {
      for (const { position, stream, version, record } of records) {
        print(`${position} ${stream} ${version} ${record.commandId}`);
      }
    },
    forever,
    follower,
  );
}

/** Synchronously, so that a line is out before the next command begins. */
function print(line: string): void {
  writeSync(1, `${line}\n`);
}
