// What a command does to a quote: events, or a refusal. Pure: no clock, no ids made up here. Called by
// handle-command.ts with the state that evolve.ts made. Repeats are found before, by their id, and never come here.

import { create } from "@bufbuild/protobuf";
import { QuoteLikedSchema, QuoteRetractedSchema, QuoteSubmittedSchema } from "../../gen/quoter/events/v1/events_pb.ts";
import type { QuoterEvent } from "../events/codec.ts";
import { type Refusal, refuse } from "../kit/refusal.ts";
import type { QuoteState } from "./evolve.ts";

export type QuoteCommand =
  | { readonly type: "submit"; readonly quoteId: string; readonly text: string; readonly author: string }
  | { readonly type: "like"; readonly quoteId: string }
  | { readonly type: "retract"; readonly quoteId: string; readonly reason: string };

export interface Decided {
  /** At least one. */
  readonly events: readonly QuoterEvent[];
}

export function decide(state: QuoteState, command: QuoteCommand): Decided | Refusal {
  const { quoteId } = command;
  switch (command.type) {
    case "submit": {
      if (state !== "absent") return refuse("already-exists", `quote ${quoteId} was submitted by another command`);
      const { text, author } = command;
      return { events: [create(QuoteSubmittedSchema, { quoteId, text, author })] };
    }
    case "like":
      if (state === "absent") return noSuchQuote(quoteId);
      if (state === "retracted") return refuse("failed-precondition", `quote ${quoteId} was retracted`);
      return { events: [create(QuoteLikedSchema, { quoteId })] };
    case "retract":
      if (state === "absent") return noSuchQuote(quoteId);
      if (state === "retracted") return refuse("failed-precondition", `quote ${quoteId} was retracted before`);
      return { events: [create(QuoteRetractedSchema, { quoteId, reason: command.reason })] };
  }
}

/** The type of event that a command's record begins with: tells a repeat from another command with the same id. */
export function firstEventOf(command: QuoteCommand): QuoterEvent["$typeName"] {
  switch (command.type) {
    case "submit":
      return "quoter.events.v1.QuoteSubmitted";
    case "like":
      return "quoter.events.v1.QuoteLiked";
    case "retract":
      return "quoter.events.v1.QuoteRetracted";
  }
}

export function noSuchQuote(quoteId: string): Refusal {
  return refuse("not-found", `quote ${quoteId}: no such quote`);
}
