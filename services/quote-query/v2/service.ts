// quoter.query.v2: the questions of queries.ts with v2's messages, which have views and likes. Served by v2 instances
// from the v2 model.

import { create } from "@bufbuild/protobuf";
import {
  GetQuoteResponseSchema,
  GetRandomQuoteResponseSchema,
  ListQuotesResponseSchema,
  QuoteQueryService,
  Ranking,
  TopQuotesResponseSchema,
  WatchQuotesResponseSchema,
} from "../../../gen/quoter/query/v2/quote_query_service_pb.ts";
import { implement, type ServedService } from "../../kit/handler.ts";
import { formatPosition } from "../../kit/position.ts";
import { isRefusal } from "../../kit/refusal.ts";
import type { Queries } from "../queries.ts";
import { viewQuote } from "./view.ts";

export function queryServiceV2(queries: Queries): ServedService {
  return implement(QuoteQueryService, {
    async getQuote(request, context) {
      const row = await queries.quote(request, context);
      return isRefusal(row) ? row : create(GetQuoteResponseSchema, { quote: viewQuote(row) });
    },
    async getRandomQuote(request, context) {
      const row = await queries.randomQuote(request, context);
      return isRefusal(row) ? row : create(GetRandomQuoteResponseSchema, { quote: viewQuote(row) });
    },
    async listQuotes(request, context) {
      const page = await queries.page(request, context);
      if (isRefusal(page)) return page;
      const { rows, nextPageToken } = page;
      return create(ListQuotesResponseSchema, { quotes: rows.map(viewQuote), nextPageToken });
    },
    async *watchQuotes({ afterPosition }, context) {
      const rows = queries.watch(afterPosition, context);
      for (;;) {
        const step = await rows.next();
        if (step.done === true) return step.value;
        const position = formatPosition(step.value.submittedPosition);
        yield create(WatchQuotesResponseSchema, { quote: viewQuote(step.value), position });
      }
    },
    async topQuotes(request, context) {
      const by = request.ranking === Ranking.VIEWS ? "views" : "likes";
      const rows = await queries.top(request, by, context);
      return isRefusal(rows) ? rows : create(TopQuotesResponseSchema, { quotes: rows.map(viewQuote) });
    },
  });
}
