// The server's answer to one published record, taken apart. Pure; called by append-pipeline.ts for every append.
// Hot: runs once per append.

export type PublishAck =
  | { readonly kind: "stored"; readonly sequence: number; readonly isDuplicate: boolean }
  /** The subject's last sequence is another than the one expected. */
  | { readonly kind: "wrong-sequence" }
  /** Not stored; `reason` says why, `code` is JetStream's error code. */
  | { readonly kind: "refused"; readonly code: number; readonly reason: string };

const WRONG_LAST_SEQUENCE = 10071;
const WRONG_LAST_SEQUENCE_UNKNOWN = 10164;

/** Codes that need more than the server's own words. */
const explained: Readonly<Record<number, string>> = {
  10077: "the stream is full; raise FERRY_EVENTS_MAX_BYTES and run `ferry events apply`",
  10054: "the record is larger than the stream's max_msg_size",
};

/** `statusCode`: of the message's header, 503 when no stream takes the subject. */
export function parsePublishAck(text: string, statusCode: number): PublishAck {
  if (statusCode === 503) return { kind: "refused", code: 503, reason: "no stream takes its subject" };
  const answer = parseJson(text);
  if (answer?.error !== undefined) {
    const { err_code: code = 0, description = "" } = answer.error;
    if (code === WRONG_LAST_SEQUENCE || code === WRONG_LAST_SEQUENCE_UNKNOWN) return { kind: "wrong-sequence" };
    return { kind: "refused", code, reason: explained[code] ?? `${description} (${code})` };
  }
  const sequence = answer?.seq ?? 0;
  if (!(sequence > 0)) return { kind: "refused", code: 0, reason: "the server's answer is no acknowledgement" };
  return { kind: "stored", sequence, isDuplicate: answer?.duplicate === true };
}

interface AckMessage {
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

function parseJson(text: string): AckMessage | undefined {
  try {
    return JSON.parse(text) as AckMessage;
  } catch {
    return undefined;
  }
}
