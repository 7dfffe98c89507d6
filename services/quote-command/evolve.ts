// What a quote is after its events. Pure; folded by aggregate.ts over everything that the quote's stream holds.

import type { QuoterEvent } from "../events/codec.ts";

/** As much of a quote as decisions need: its text is no part of any. */
export type QuoteState = "absent" | "shown" | "retracted";

export const initialState: QuoteState = "absent";

export function evolve(state: QuoteState, event: QuoterEvent): QuoteState {
  switch (event.$typeName) {
    case "quoter.events.v1.QuoteSubmitted":
      return "shown";
    case "quoter.events.v1.QuoteRetracted":
      return "retracted";
    default:
      return state;
  }
}
