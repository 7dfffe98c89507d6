// W3C trace context: read from the caller, and always written on, sampled or not, so that a trace never breaks at a
// sidecar. Pure; ids come in as a function. (https://www.w3.org/TR/trace-context/)

export interface TraceContext {
  /** 32 hex digits, the same on every hop. */
  readonly traceId: string;
  /** 16 hex digits: the span that this hop stands for. */
  readonly spanId: string;
  /** The caller's span; undefined when the trace begins here. */
  readonly parentSpanId: string | undefined;
  /** The caller, or whoever began the trace, wants it recorded. */
  readonly sampled: boolean;
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * This hop's context: a child of `traceparent`, or a new trace when that is absent or malformed. `sampleNew` decides
 * for new traces only; a caller's decision is kept.
 */
export function childContext(
  traceparent: string | undefined,
  randomHex: (bytes: number) => string,
  sampleNew: () => boolean,
): TraceContext {
  const match = traceparent === undefined ? null : pattern.exec(traceparent);
  if (match === null || !isValid(match)) {
    return { traceId: randomHex(16), spanId: randomHex(8), parentSpanId: undefined, sampled: sampleNew() };
  }
  return {
    traceId: match[2]!,
    spanId: randomHex(8),
    parentSpanId: match[3]!,
    sampled: (Number.parseInt(match[4]!, 16) & 1) === 1,
  };
}

/** Version ff and ids of zeros are forbidden; version 00 has four parts, only later ones may have more. */
function isValid(match: RegExpExecArray): boolean {
  if (match[1] === "ff" || (match[1] === "00" && match[5] !== undefined)) return false;
  return !/^0+$/.test(match[2]!) && !/^0+$/.test(match[3]!);
}

/** The `traceparent` that the next hop gets. */
export function traceparentOf(context: TraceContext): string {
  return `00-${context.traceId}-${context.spanId}-${context.sampled ? "01" : "00"}`;
}
