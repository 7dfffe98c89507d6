// Page tokens of ListQuotes: where the next page begins, as a string that callers hand back and do not read. The same
// in v1 and v2 and on every instance, since a list may go on at another one. Pure.

import type { Position } from "../events/event-log.ts";
import { type Refusal, refuseFields } from "../kit/refusal.ts";

/** `before`: the place of the last quote on the page that was given. */
export function encodePageToken(before: Position): string {
  return Buffer.from(`before:${before}`).toString("base64url");
}

/** The place that a token names; undefined for the empty one, the first page; a refusal for anything not ours. */
export function decodePageToken(token: string): Position | undefined | Refusal {
  if (token === "") return undefined;
  const before = /^before:([1-9]\d{0,14})$/.exec(Buffer.from(token, "base64url").toString())?.[1];
  // Encoded again it must be the same: Buffer skips what is not base64.
  if (before !== undefined && encodePageToken(Number(before)) === token) return Number(before);
  const description = "must be the next_page_token of an answer, unchanged";
  return refuseFields([{ field: "page_token", description, reason: "PAGE_TOKEN" }]);
}
