// What whoever sent a request is told of its response. Implemented by callers of client.ts and of the pool, called by
// stream.ts: `head` or `failed` first, `ended` last, each at most once.

import type { BodySource } from "./body.ts";
import type { StreamError } from "./error-code.ts";
import type { HeaderFields } from "./header-field.ts";

export interface ReplyListener {
  /** An informational response (1xx, never 101), before `head`; any number of them. */
  informational?(fields: HeaderFields): void;
  /** The final response header. `end`: it was all. */
  head(fields: HeaderFields, end: boolean, body: BodySource): void;
  /** Instead of `head`: the request failed before a response header came. Afterwards `body` tells of failure. */
  failed(error: StreamError): void;
  /** Once, at the end, also after `failed`: the trailers, or undefined where there were none, or the error. */
  ended(trailers: HeaderFields | undefined, error: StreamError | undefined): void;
}
