// quoter.query.v1: the questions of queries.ts with v1's messages. Served by v1 instances from the v1 model and by v2
// instances from the v2 model, which has all that v1 shows.

import { create } from "@bufbuild/protobuf";
import {
  GetQuoteResponseSchema,
  GetRandomQuoteResponseSchema,
  ListQuotesResponseSchema,
  QuoteQueryService,
  WatchQuotesResponseSchema,
} from "../../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { implement, type ServedService } from "../../kit/handler.ts";
import { formatPosition } from "../../kit/position.ts";
import { isRefusal } from "../../kit/refusal.ts";
import type { Queries } from "../queries.ts";
import { viewQuote } from "./view.ts";

export function queryServiceV1(queries: Queries): ServedService {
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
  });
}
