// One command on one quote, in five steps: load, look for a repeat, decide, append at the version that was decided on,
// and on a conflict load again. Called by service.ts. Guarantees: a command id is answered once; a repeat, after any
// time, gets the first answer and appends nothing; the number of attempts is bounded. Throws LogUnavailable.

import { type Clock, wait } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { EventLog, Position } from "../events/event-log.ts";
import { type Refusal, refuse } from "../kit/refusal.ts";
import { type FirstAnswer, KeptAggregates } from "./aggregate.ts";
import { decide, firstEventOf, type QuoteCommand } from "./decide.ts";
import { type Envelope, recordOf } from "./envelope.ts";
import { quoteStream } from "./quote-id.ts";
import { Turns } from "./turns.ts";

export interface HandlerDeps {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly random: Random;
}

/** Where the command's events are. */
export interface Handled {
  readonly position: Position;
}

export type HandleCommand = (
  command: QuoteCommand,
  envelope: Envelope,
  signal: () => AbortSignal,
) => Promise<Handled | Refusal>;

/** Only other instances conflict, each once for each command of theirs: so many in a row is a log that misbehaves. */
const maxAttempts = 10;
const backOffMs = 2;
const maxBackOffMs = 100;

/** Makes the function that handles commands; it keeps aggregates between calls. */
export function commandHandler({ log, clock, random }: HandlerDeps): HandleCommand {
  const aggregates = new KeptAggregates(log);
  const turns = new Turns();
  return (command, envelope, signal) => turns.take(command.quoteId, () => handle(command, envelope, signal));

  async function handle(
    command: QuoteCommand,
    envelope: Envelope,
    signal: () => AbortSignal,
  ): Promise<Handled | Refusal> {
    const stream = quoteStream(command.quoteId);
    for (let attempt = 1; ; attempt++) {
      // 1. load
      const quote = await aggregates.load(stream);
      // 2. a repeat gets the first answer
      const first = quote.firstAnswer(envelope.commandId);
      if (first !== undefined) return repeated(first, command, envelope);
      // 3. decide
      const decided = decide(quote.state, command);
      if ("refused" in decided) return decided;
      // 4. append, if nobody was faster
      const record = recordOf(envelope, decided.events, clock.wallMs());
      const result = await log.append(stream, quote.version, record);
      if (result.ok) return { position: result.position };
      // 5. somebody was: again, after a random pause so that two that met do not meet again
      if (attempt === maxAttempts) {
        return refuse("conflict", `quote ${command.quoteId}: ${maxAttempts} attempts met other commands' changes`);
      }
      const pauseMs = random() * Math.min(maxBackOffMs, backOffMs * 2 ** attempt);
      await wait(clock, pauseMs, signal());
    }
  }
}

function repeated(first: FirstAnswer, command: QuoteCommand, envelope: Envelope): Handled | Refusal {
  if (first.firstEvent === firstEventOf(command)) return { position: first.position };
  return refuse(
    "already-exists",
    `command_id ${envelope.commandId} was used for another command on quote ${command.quoteId} (${first.firstEvent})`,
  );
}
