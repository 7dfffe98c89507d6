// A steady load of GetQuote for one quote, every call counted: how it ended, who answered, when it began.

import { QuoteQueryService } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { GrpcClient } from "./grpc-client.ts";
import { OpenLoop } from "./open-loop.ts";

export interface LoadCall {
  readonly beganMs: number;
  /** `OK`, or the status with its message. */
  readonly outcome: string;
  /** As `quote-query-v1-1`; empty when nobody of the quoter answered. */
  readonly instance: string;
  readonly version: string;
}

export interface QueryLoad {
  readonly calls: readonly LoadCall[];
  untilCalls(count: number): Promise<void>;
  /** Ends it and gives the outcomes of the calls that failed. */
  end(): Promise<readonly string[]>;
}

export function startQueryLoad(gateway: string, quoteId: string, perSecond: number): QueryLoad {
  const client = new GrpcClient(gateway);
  const calls: LoadCall[] = [];
  const loop = new OpenLoop(perSecond, async () => {
    const beganMs = performance.now();
    const options = { timeoutMs: 5000 };
    const { code, message, headers } = await client.unary(QuoteQueryService.method.getQuote, { quoteId }, options);
    const first = (name: string) => String(headers.get(name)[0] ?? "");
    const outcome = code === "OK" ? code : `${code} ${message}`;
    calls.push({ beganMs, outcome, instance: first("x-quoter-instance"), version: first("x-quoter-version") });
  });
  loop.start();
  return {
    calls,
    untilCalls: (count) => loop.untilEnded(count),
    async end() {
      await loop.end();
      client.close();
      return calls.map(({ outcome }) => outcome).filter((outcome) => outcome !== "OK");
    },
  };
}
