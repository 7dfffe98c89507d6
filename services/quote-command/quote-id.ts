// Names that derive from what the caller chose: a quote's id from the id of the command that submitted it, so that a
// repeated command names the same quote, and the streams of the event log from those. Pure.

import { createHash } from "node:crypto";

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/** `q` and 100 bits of SHA-256 in base32: the same for the same command id, and never met by chance by another. */
export function quoteIdOf(commandId: string): string {
  const digest = createHash("sha256").update(commandId).digest();
  let id = "q";
  let bits = 0;
  let held = 0;
  for (const byte of digest.subarray(0, 13)) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5 && id.length < 21) {
      bits -= 5;
      id += alphabet[(held >>> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return id;
}

/** Whether `text` could be a quote's id; what is not names no quote. */
export function isQuoteId(text: string): boolean {
  return /^q[a-z2-7]{20}$/.test(text);
}

/** The stream of a quote. */
export function quoteStream(quoteId: string): string {
  return `quote-${quoteId}`;
}

/**
 * The stream of a producer of views: `views-<producer_id>`. A stream's name has no `.`, a producer's id may: `.`
 * becomes `_d` and `_` becomes `_u`, so that two producers never share a stream. What gets too long by that is hashed.
 */
export function viewsStream(producerId: string): string {
  const escaped = producerId.replaceAll("_", "_u").replaceAll(".", "_d");
  if (escaped.length <= 150) return `views-${escaped}`;
  return `views-_h${createHash("sha256").update(producerId).digest("hex")}`;
}
