// quoter.command.v1 over the event log: from requests to commands, from outcomes to answers. Served by main.ts through
// the kit. Guarantees: while the log is known to be away, commands are refused at once instead of waiting for it.

import { create, type Message } from "@bufbuild/protobuf";
import {
  LikeQuoteResponseSchema,
  QuoteCommandService,
  RetractQuoteResponseSchema,
  SubmitQuoteResponseSchema,
} from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { LogUnavailable } from "../events/event-log.ts";
import { type HandlerContext, implement, type ServedService } from "../kit/handler.ts";
import type { HealthProbe } from "../kit/health.ts";
import { formatPosition } from "../kit/position.ts";
import { isRefusal, type Refusal, refuse } from "../kit/refusal.ts";
import { untilAborted } from "../kit/until-aborted.ts";
import { noSuchQuote, type QuoteCommand } from "./decide.ts";
import { envelopeOf } from "./envelope.ts";
import { commandHandler, type HandlerDeps } from "./handle-command.ts";
import { isQuoteId, quoteIdOf } from "./quote-id.ts";
import { recordViews } from "./record-views.ts";

export interface CommandSide {
  readonly service: ServedService;
  /** Ok while the log takes appends. */
  readonly health: HealthProbe;
}

/** The service and its health, which know of each other: what health finds out decides whether commands are tried. */
export function commandSide(deps: HandlerDeps): CommandSide {
  const handle = commandHandler(deps);
  let away: string | undefined;

  async function health() {
    const answer = await deps.log.health();
    away = answer.ok ? undefined : answer.detail;
    return answer;
  }

  /** Runs a command unless the log is away, and makes an answer of its position. */
  async function run<A extends Message>(
    given: { readonly commandId: string },
    context: HandlerContext,
    commandOf: (commandId: string) => QuoteCommand,
    answer: (position: string, quoteId: string) => A,
  ): Promise<A | Refusal> {
    const envelope = envelopeOf(given.commandId, context);
    const command = commandOf(envelope.commandId);
    if (!isQuoteId(command.quoteId)) return noSuchQuote(command.quoteId);
    return guarded(async () => {
      const handled = await handle(command, envelope, () => context.signal);
      return "refused" in handled ? handled : answer(formatPosition(handled.position), command.quoteId);
    });
  }

  async function guarded<A extends Message>(work: () => Promise<A | Refusal>): Promise<A | Refusal> {
    if (away !== undefined) return unavailable(away);
    try {
      return await work();
    } catch (error) {
      if (error instanceof LogUnavailable) return unavailable(error.message);
      throw error;
    }
  }

  const service = implement(QuoteCommandService, {
    submitQuote: (request, context) =>
      run(
        request,
        context,
        (commandId) => ({
          type: "submit",
          quoteId: quoteIdOf(commandId),
          text: request.text,
          author: request.author,
        }),
        (position, quoteId) => create(SubmitQuoteResponseSchema, { quoteId, position }),
      ),
    likeQuote: (request, context) =>
      run(
        request,
        context,
        () => ({ type: "like", quoteId: request.quoteId }),
        (position) => create(LikeQuoteResponseSchema, { position }),
      ),
    retractQuote: (request, context) =>
      run(
        request,
        context,
        () => ({ type: "retract", quoteId: request.quoteId, reason: request.reason }),
        (position) => create(RetractQuoteResponseSchema, { position }),
      ),
    recordViews: (requests, context) =>
      guarded(async () => {
        const untilDrained = untilAborted(requests, context.draining);
        const answer = await recordViews(untilDrained, (commandId) => envelopeOf(commandId, context), deps);
        if (isRefusal(answer) || !context.draining.aborted) return answer;
        return refuse(
          "unavailable",
          `the process is draining; go on from batch ${answer.lastSequence + 1n} on a new call`,
        );
      }),
  });
  return { service, health };
}

function unavailable(detail: string): Refusal {
  return refuse("unavailable", `the event log takes no commands now, repeat with the same command_id: ${detail}`);
}
