// Load on an event log whose sums are known, for tests that kill what reads it.

import { create } from "@bufbuild/protobuf";
import { QuoteLikedSchema, ViewsRecordedSchema } from "../../../gen/quoter/events/v1/events_pb.ts";
import type { EventLog } from "../../events/event-log.ts";
import { recordOf } from "../../events/testing/records.ts";

/**
 * Appends groups of one like and one record of 3 views for each quote, for as long as `mayGoOn` says. Gives how many
 * records it appended.
 */
export async function appendLoad(
  log: EventLog,
  quotes: readonly string[],
  mayGoOn: (appended: number) => boolean,
): Promise<number> {
  let appended = 0;
  for (let round = 0; mayGoOn(appended); round++) {
    const group = quotes.flatMap((quoteId) => {
      const viewed = { producerId: "p", sequence: 1n, views: [{ quoteId, count: 3n }] };
      return [create(QuoteLikedSchema, { quoteId }), create(ViewsRecordedSchema, viewed)];
    });
    await Promise.all(group.map((event, i) => log.append(`load-${i}`, round, recordOf(`l-${round}-${i}`, event))));
    appended += group.length;
  }
  return appended;
}
