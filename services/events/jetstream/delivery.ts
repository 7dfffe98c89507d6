// What stands around a message that a consumer delivers: its place in the stream and in the delivery, or that it is no
// message but a status. Pure; called by pull-reader.ts.
// Hot: runs once per delivered record.

export interface Delivery {
  readonly streamSequence: number;
  /** Counts the consumer's deliveries from 1, so that a lost one shows. */
  readonly consumerSequence: number;
  /** 1; more when the consumer delivers this message again. */
  readonly times: number;
}

/**
 * From the reply subject `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, which
 * in newer servers has a domain and an account after `$JS.ACK` and perhaps a token at the end. Undefined: another form.
 */
export function parseDelivery(reply: string | undefined): Delivery | undefined {
  const parts = reply?.split(".") ?? [];
  if (parts[0] !== "$JS" || parts[1] !== "ACK" || parts.length < 9) return undefined;
  const at = parts.length === 9 ? 5 : 7;
  const streamSequence = Number(parts[at]);
  const consumerSequence = Number(parts[at + 1]);
  const times = Number(parts[at - 1]);
  return streamSequence > 0 && consumerSequence > 0 ? { streamSequence, consumerSequence, times } : undefined;
}

export type PullStatus =
  /** The server is there, and nothing new is. */
  | { readonly kind: "heartbeat" }
  /** A request has ended; so many of its messages were not sent. Undefined: not told. */
  | { readonly kind: "ended"; readonly unsent: number | undefined }
  /** This consumer delivers no more. */
  | { readonly kind: "lost"; readonly reason: string };

/** `code` and `description` of a status header; `pending` is its Nats-Pending-Messages. */
export function parseStatus(code: number, description: string, pending: string): PullStatus {
  const unsent = pending === "" ? undefined : Number(pending);
  if (code === 100) return { kind: "heartbeat" };
  if (code === 404 || code === 408) return { kind: "ended", unsent };
  if (code === 409 && /maxbytes|batch completed/i.test(description)) return { kind: "ended", unsent };
  if (code === 503) return { kind: "lost", reason: "the consumer is gone" };
  return { kind: "lost", reason: `${code} ${description}`.toLowerCase() };
}
