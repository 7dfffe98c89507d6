// The questions that both versions of the API ask of a read model, answered as rows; v1/ and v2/ make their messages of
// them. Guarantees: an answer has seen the request's `min_position`; its trailer says how old it may be; nothing here
// keeps a read open while it waits.

import type { Random } from "../../common/random.ts";
import type { Position } from "../events/event-log.ts";
import type { HandlerContext } from "../kit/handler.ts";
import { formatPosition, parsePosition } from "../kit/position.ts";
import { isRefusal, type Refusal, refuse } from "../kit/refusal.ts";
import type { QuoteRow, ReadModelState } from "../read-model/read-model.ts";
import { ReadModelUnavailable } from "../read-model/read-model-store.ts";
import type { FollowedModel } from "./followed-model.ts";
import { patienceMs } from "./freshness.ts";
import { decodePageToken, encodePageToken } from "./page-token.ts";

export const stalenessTrailer = "x-quoter-staleness-ms";

const defaultPageSize = 50;
const watchBatchSize = 100;

interface Fresh {
  readonly minPosition: string;
}

export interface QuotePage {
  readonly rows: readonly QuoteRow[];
  readonly nextPageToken: string;
}

export class Queries {
  readonly #model: FollowedModel;
  readonly #random: Random;

  constructor(model: FollowedModel, random: Random) {
    this.#model = model;
    this.#random = random;
  }

  quote(request: Fresh & { readonly quoteId: string }, context: HandlerContext): Promise<QuoteRow | Refusal> {
    return this.#fresh(request, context, async (reader) => {
      const row = await reader.quote(request.quoteId);
      return row ?? refuse("not-found", `quote ${request.quoteId}: no such quote`);
    });
  }

  randomQuote(request: Fresh, context: HandlerContext): Promise<QuoteRow | Refusal> {
    return this.#fresh(request, context, async (reader) => {
      const row = await reader.randomQuote(this.#random());
      return row ?? refuse("not-found", "there is no quote yet");
    });
  }

  async page(
    request: Fresh & { readonly pageSize: number; readonly pageToken: string },
    context: HandlerContext,
  ): Promise<QuotePage | Refusal> {
    const before = decodePageToken(request.pageToken);
    if (typeof before === "object") return before;
    const size = request.pageSize || defaultPageSize;
    return this.#fresh(request, context, async (reader) => {
      // One more than asked for tells whether there is a next page.
      const found = await reader.newest(size + 1, before);
      const rows = found.slice(0, size);
      const last = rows.at(-1);
      const nextPageToken = found.length > size && last !== undefined ? encodePageToken(last.submittedPosition) : "";
      return { rows, nextPageToken };
    });
  }

  async top(
    request: Fresh & { readonly limit: number },
    by: "likes" | "views",
    context: HandlerContext,
  ): Promise<readonly QuoteRow[] | Refusal> {
    return this.#fresh(request, context, (reader) => reader.top(by, request.limit || 10));
  }

  /** Quotes as they become visible, from now or behind a position, until the caller cancels or the process drains. */
  async *watch(
    afterPosition: string,
    context: HandlerContext,
  ): AsyncGenerator<QuoteRow, Refusal | undefined, undefined> {
    const after = parsePosition("after_position", afterPosition);
    if (typeof after === "object") return after;
    const began = await guarded(() => this.#watchFrom(after));
    if (typeof began === "object") return began;
    const ended = AbortSignal.any([context.signal, context.draining]);
    let cursor = began;
    context.sendHeader();
    while (!ended.aborted) {
      const from = cursor;
      const found = await guarded(async () => {
        // Taken before the read: what is applied during it is seen by the next round.
        const { position } = await this.#model.state();
        return { position, rows: await this.#model.reader.submittedAfter(from, watchBatchSize) };
      });
      if (isRefusal(found)) return found;
      for (const row of found.rows) {
        cursor = row.submittedPosition;
        yield row;
      }
      if (found.rows.length < watchBatchSize) await this.#model.reaches(found.position + 1, () => ended);
    }
    if (context.signal.aborted) return undefined;
    return refuse("unavailable", `the process is draining; call again with after_position ${formatPosition(cursor)}`);
  }

  /** Where a watch begins: "now" is what the model holds, and a model that is being built has no now. */
  async #watchFrom(after: Position | undefined): Promise<Position | Refusal> {
    if (after !== undefined) return after;
    const state = await this.#model.refresh();
    return state.caughtUpAtMs === 0 ? notCaughtUp(state) : state.position;
  }

  /** Waits for `min_position`, asks, and says in the trailer how old the answer may be. */
  async #fresh<A extends object>(
    { minPosition }: Fresh,
    context: HandlerContext,
    ask: (reader: FollowedModel["reader"]) => Promise<A | Refusal>,
  ): Promise<A | Refusal> {
    const position = parsePosition("min_position", minPosition);
    if (typeof position === "object") return position;
    return guarded(async () => {
      const tooEarly = position === undefined ? await this.#whileBuilding() : await this.#until(position, context);
      if (tooEarly !== undefined) return tooEarly;
      const answer = await ask(this.#model.reader);
      const stalenessMs = this.#model.stalenessMs();
      if (stalenessMs !== undefined) context.setTrailer(stalenessTrailer, String(stalenessMs));
      return answer;
    });
  }

  /** A model that never held everything would say NOT_FOUND of what is there. */
  async #whileBuilding(): Promise<Refusal | undefined> {
    if ((await this.#model.state()).caughtUpAtMs > 0) return undefined;
    const state = await this.#model.refresh();
    return state.caughtUpAtMs > 0 ? undefined : notCaughtUp(state);
  }

  async #until(position: Position, context: HandlerContext): Promise<Refusal | undefined> {
    const waitMs = patienceMs(context.deadlineMs);
    if (await this.#model.reaches(position, () => context.signal, waitMs)) return undefined;
    const at = (await this.#model.state()).position;
    const waited = `waited ${Math.round(waitMs)} ms`;
    return refuse("unavailable", `the read model is at position ${at}, not yet at ${position}; ${waited}`);
  }
}

function notCaughtUp({ position, head }: ReadModelState): Refusal {
  return refuse("unavailable", `the read model has not caught up yet: position ${position} of ${head}`);
}

/** A model that cannot be read is no bug: the call may be repeated, here or elsewhere. */
async function guarded<A>(work: () => Promise<A | Refusal>): Promise<A | Refusal> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ReadModelUnavailable) return refuse("unavailable", error.message);
    throw error;
  }
}
