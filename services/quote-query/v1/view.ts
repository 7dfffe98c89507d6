// A quote as quoter.query.v1 shows it.

import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Quote, QuoteSchema } from "../../../gen/quoter/query/v1/quote_query_service_pb.ts";
import type { QuoteRow } from "../../read-model/read-model.ts";

export function viewQuote({ quoteId, text, author, submittedAtMs }: QuoteRow): Quote {
  return create(QuoteSchema, { quoteId, text, author, submittedAt: timestampFromMs(submittedAtMs) });
}
