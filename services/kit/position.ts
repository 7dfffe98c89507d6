// Places in an event log as the services' APIs carry them: opaque strings outside, numbers inside. Used by command and
// query services, so that what one answers the other reads. Pure.

import { type Refusal, refuseFields } from "./refusal.ts";

/** The string that answers carry. */
export function formatPosition(position: number): string {
  return String(position);
}

/** The place that `text` names; undefined for an empty string; a refusal that names `field` for anything else. */
export function parsePosition(field: string, text: string): number | undefined | Refusal {
  if (text === "") return undefined;
  if (/^(0|[1-9]\d{0,14})$/.test(text)) return Number(text);
  const description = "must be a position that an answer of this system carried";
  return refuseFields([{ field, description, reason: "POSITION" }]);
}
