// `grpc-timeout`: read strictly, written so that no hop ever gives more time than it got. Used by the deadline layers
// of both stacks. "Absent" is the caller's business (no header, no deadline); here undefined always means malformed,
// which is answered as bad_request. (gRPC over HTTP/2: TimeoutValue is 1-8 digits, TimeoutUnit one of H M S m u n.)
//
// Hot: both run once per call that has a deadline.

/** The longest value the wire can say: 99,999,999 of a unit. */
const maxDigits = 8;
const maxValue = 99_999_999;

/** Milliseconds of a `grpc-timeout` value, with fractions; 0 is a deadline that has passed. Undefined: malformed. */
export function parseGrpcTimeout(text: string): number | undefined {
  const digits = text.length - 1;
  if (digits < 1 || digits > maxDigits) return undefined;
  let value = 0;
  for (let i = 0; i < digits; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  switch (text.charCodeAt(digits)) {
    case 72: // H
      return value * 3_600_000;
    case 77: // M
      return value * 60_000;
    case 83: // S
      return value * 1000;
    case 109: // m
      return value;
    case 117: // u
      return value / 1000;
    case 110: // n
      return value / 1_000_000;
    default:
      return undefined;
  }
}

/**
 * The `grpc-timeout` value for what is left of a deadline, never more than `remainingMs` and never empty-handed: at
 * least 1 ns, because what is over is refused by the deadline layer and not by an odd header.
 */
export function formatGrpcTimeout(remainingMs: number): string {
  const micros = Math.floor(remainingMs * 1000);
  if (micros >= 1 && micros <= maxValue) return `${micros}u`;
  if (remainingMs < 1) return `${Math.max(1, Math.floor(remainingMs * 1_000_000) || 0)}n`;
  const millis = Math.floor(remainingMs);
  if (millis <= maxValue) return `${millis}m`;
  const seconds = Math.floor(remainingMs / 1000);
  if (seconds <= maxValue) return `${seconds}S`;
  const minutes = Math.floor(remainingMs / 60_000);
  if (minutes <= maxValue) return `${minutes}M`;
  return `${Math.min(maxValue, Math.floor(remainingMs / 3_600_000))}H`;
}
