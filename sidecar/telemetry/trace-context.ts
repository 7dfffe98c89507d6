// W3C trace context: read from the caller, and always written on, sampled or not, so that a trace never breaks at a
// sidecar. Pure; ids come in as a function. Hot: once per call; a regular expression took three times as long
// (bench/micro/trace-context.ts). (https://www.w3.org/TR/trace-context/)
//
//   00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01[-what later versions add]
//   0  3                                36               53 55

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

/**
 * This hop's context: a child of `traceparent`, or a new trace when that is absent or malformed. `sampleNew` decides
 * for new traces only; a caller's decision is kept.
 */
export function childContext(
  traceparent: string | undefined,
  randomHex: (bytes: number) => string,
  sampleNew: () => boolean,
): TraceContext {
  if (traceparent === undefined || !isValid(traceparent)) {
    return { traceId: randomHex(16), spanId: randomHex(8), parentSpanId: undefined, sampled: sampleNew() };
  }
  return {
    traceId: traceparent.slice(3, 35),
    spanId: randomHex(8),
    parentSpanId: traceparent.slice(36, 52),
    sampled: (digitAt(traceparent, 54) & 1) === 1,
  };
}

/** Version ff and ids of zeros are forbidden; version 00 has four parts, only later ones may have more. */
function isValid(text: string): boolean {
  if (text.length < 55 || !isDash(text, 2) || !isDash(text, 35) || !isDash(text, 52)) return false;
  if (text.length > 55 && (!isDash(text, 55) || text.startsWith("00"))) return false;
  return (
    hexBits(text, 0, 2) >= 0 &&
    !text.startsWith("ff") &&
    hexBits(text, 3, 35) > 0 &&
    hexBits(text, 36, 52) > 0 &&
    hexBits(text, 53, 55) >= 0
  );
}

function isDash(text: string, at: number): boolean {
  return text.charCodeAt(at) === 0x2d;
}

/** All digits together, 0 when each is; negative when one is no lower-case hex digit. */
function hexBits(text: string, from: number, to: number): number {
  let bits = 0;
  for (let at = from; at < to; at++) bits |= digitAt(text, at);
  return bits;
}

/** By character code: the value of a lower-case hex digit; -1 for anything else. */
const digits = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) digits[digit.toString(16).charCodeAt(0)] = digit;

/** Field values have no character above 255. */
function digitAt(text: string, at: number): number {
  return digits[text.charCodeAt(at) & 0xff]!;
}

/** The `traceparent` that the next hop gets. */
export function traceparentOf(context: TraceContext): string {
  return `00-${context.traceId}-${context.spanId}-${context.sampled ? "01" : "00"}`;
}
