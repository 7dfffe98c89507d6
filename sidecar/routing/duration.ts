// Durations as Consul writes them: Go strings (`1m30s`, `250ms`), or integer nanoseconds where its API forgets to
// format them (compiled Resolver.RequestTimeout). Used wherever a config entry or a discovery chain states a time.

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds, possibly negative or fractional; undefined when `text` is no Go duration. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  const sign = text.startsWith("-") ? -1 : 1;
  const rest = text.replace(/^[+-]/, "");
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    totalMs += Number(amount) * unitMs[unit!]!;
  }
  return sign * totalMs;
}

/** A duration field of a discovery chain in milliseconds; `absent` when it is missing, 0 or unreadable. */
export function durationMs(value: string | number | undefined, absent: number): number {
  if (value === undefined) return absent;
  const ms = typeof value === "number" ? value / 1e6 : parseDuration(value);
  return ms === undefined || ms === 0 ? absent : ms;
}

/** As Go prints a duration, and so as Consul gives it back: `90s` becomes `1m30s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1e-3) return `${trim(ms * 1e6)}ns`;
  if (ms < 1) return `${trim(ms * 1e3)}µs`;
  if (ms < 1_000) return `${trim(ms)}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = `${trim((ms % 60_000) / 1_000)}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

function trim(amount: number): string {
  return String(Math.round(amount * 1e9) / 1e9);
}
