// The questions that both versions of the API ask of a read model, answered as rows; v1/ and v2/ make their messages of
// them. Guarantees: an answer has seen the request's `min_position`; its trailer says how old it may be; nothing here
// keeps a read open while it waits.

import type { Random } from "../../common/random.ts";
import type { HandlerContext } from "../kit/handler.ts";
import { formatPosition, parsePosition } from "../kit/position.ts";
import { type Refusal, refuse } from "../kit/refusal.ts";
import type { QuoteRow } from "../read-model/read-model.ts";
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
    const ended = AbortSignal.any([context.signal, context.draining]);
    const model = this.#model;
    let cursor = after ?? (await model.refresh()).position;
    context.sendHeader();
    while (!ended.aborted) {
      // Taken before the read: what is applied during it is seen by the next round.
      const { position } = await model.state();
      const rows = await model.reader.submittedAfter(cursor, watchBatchSize);
      for (const row of rows) {
        cursor = row.submittedPosition;
        yield row;
      }
      if (rows.length < watchBatchSize) await model.reaches(position + 1, () => ended);
    }
    if (context.signal.aborted) return undefined;
    return refuse("unavailable", `the process is draining; call again with after_position ${formatPosition(cursor)}`);
  }

  /** Waits for `min_position`, asks, and says in the trailer how old the answer may be. */
  async #fresh<A extends object>(
    { minPosition }: Fresh,
    context: HandlerContext,
    ask: (reader: FollowedModel["reader"]) => Promise<A | Refusal>,
  ): Promise<A | Refusal> {
    const position = parsePosition("min_position", minPosition);
    if (typeof position === "object") return position;
    const model = this.#model;
    if (position !== undefined) {
      const waitMs = patienceMs(context.deadlineMs);
      if (!(await model.reaches(position, () => context.signal, waitMs))) {
        const at = (await model.state()).position;
        return refuse(
          "unavailable",
          `the read model is at position ${at}, not yet at ${position}; waited ${Math.round(waitMs)} ms`,
        );
      }
    }
    const answer = await ask(model.reader);
    const stalenessMs = model.stalenessMs();
    if (stalenessMs !== undefined) context.setTrailer(stalenessTrailer, String(stalenessMs));
    return answer;
  }
}
