// The names of streams, the same for every event log: they become part of a NATS subject and of a span's name.

/** `quote-q3k5…` -> `quote`: what kind of aggregate a stream belongs to; the whole name when it has no `-`. */
export function streamKind(stream: string): string {
  return stream.split("-", 1)[0] ?? stream;
}

/** Throws unless `stream` is 1 to 200 letters, digits, `_` and `-`: another name is a bug of the caller. */
export function assertStreamName(stream: string): void {
  if (/^[A-Za-z0-9_-]{1,200}$/.test(stream)) return;
  throw new Error(`stream "${stream.slice(0, 200)}": expected 1 to 200 letters, digits, _ and -`);
}
