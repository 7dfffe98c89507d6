// Our own settings in the mesh configuration: every `ferry_*` key that exists, as one row. They stand in
// proxy-defaults.Config (for all services) and in service-defaults.Meta (for one); Consul carries both to every proxy
// untouched. The parser, `ferry check` and the reference docs read this table, and a key that no code honours must not
// be in it.
//
// Values may be written as strings everywhere (Meta holds nothing else) and as numbers in proxy-defaults.Config.

import { nearestName } from "../../../common/nearest-name.ts";
import { parseDuration } from "../duration.ts";
import { defaultPolicy, type ServicePolicy } from "../service-policy.ts";

interface FerrySetting {
  readonly key: string;
  /** What may be written, for problems and docs. */
  readonly expected: string;
  /** As it would be written. */
  readonly default: string;
  readonly doc: string;
  /** Undefined when the text is none of what is expected. */
  readonly parse: (text: string) => number | undefined;
  readonly apply: (policy: ServicePolicy, value: number) => ServicePolicy;
}

/** A mistake in one key; the caller knows where the key stands. */
export interface SettingProblem {
  readonly key: string;
  readonly expected: string;
  readonly found: string;
  readonly suggestion: string;
}

export const ferrySettings: readonly FerrySetting[] = [
  {
    key: "ferry_retries",
    expected: "an integer from 0 to 10",
    default: "1",
    doc: "Tries after the first, each on another endpoint where there is one. Only calls that provably never ran, or of methods marked idempotent, are tried again. A route's NumRetries wins.",
    parse: integer(0, 10),
    apply: (policy, retries) => ({ ...policy, retries }),
  },
  {
    key: "ferry_request_timeout",
    expected: "a duration as 500ms or 10s, at least 1ms, or 0 for none",
    default: "0",
    doc: "Cap on the time of a unary call, retries included. Streams are left alone. A RequestTimeout of the route or resolver wins, and that one applies to streams as well.",
    parse: duration(1, true),
    apply: (policy, requestTimeoutMs) => ({ ...policy, requestTimeoutMs }),
  },
  {
    key: "ferry_eject_consecutive_failures",
    expected: "an integer from 0 to 1000",
    default: "5",
    doc: "So many failures in a row take an endpoint out of rotation; 0 never does.",
    parse: integer(0, 1000),
    apply: (policy, value) => ({ ...policy, ejection: { ...policy.ejection, consecutiveFailures: value } }),
  },
  {
    key: "ferry_eject_base",
    expected: "a duration as 1s, at least 10ms",
    default: "1s",
    doc: "How long the first ejection of an endpoint lasts; each further one in a row lasts twice as long.",
    parse: duration(10, false),
    apply: (policy, baseMs) => ({ ...policy, ejection: { ...policy.ejection, baseMs } }),
  },
  {
    key: "ferry_eject_max",
    expected: "a duration as 1m, at least 10ms",
    default: "1m",
    doc: "No ejection lasts longer.",
    parse: duration(10, false),
    apply: (policy, maxMs) => ({ ...policy, ejection: { ...policy.ejection, maxMs } }),
  },
];

const byKey = new Map(ferrySettings.map((setting) => [setting.key, setting]));

/** Checks the `ferry_*` keys of a Config or Meta; other keys are none of ours. */
export function checkFerrySettings(values: Readonly<Record<string, unknown>>): readonly SettingProblem[] {
  return readPolicy([values]).problems;
}

/**
 * The policy that `layers` make together, later ones over earlier ones. A bad value is a problem and changes nothing:
 * the layer below stays in force.
 */
export function readPolicy(layers: readonly Readonly<Record<string, unknown>>[]): {
  readonly policy: ServicePolicy;
  readonly problems: readonly SettingProblem[];
} {
  let policy = defaultPolicy;
  const problems: SettingProblem[] = [];
  for (const layer of layers) {
    for (const [key, raw] of Object.entries(layer)) {
      if (!key.toLowerCase().startsWith("ferry_")) continue;
      const setting = byKey.get(key);
      if (setting === undefined) {
        const known = [...byKey.keys()];
        problems.push({
          key,
          expected: `one of ${known.join(", ")}`,
          found: JSON.stringify(key),
          suggestion: nearestName(key, known) ?? "",
        });
        continue;
      }
      const isScalar = typeof raw === "string" || typeof raw === "number";
      const value = isScalar ? setting.parse(String(raw)) : undefined;
      if (value === undefined) {
        problems.push({ key, expected: setting.expected, found: JSON.stringify(raw), suggestion: "" });
      } else {
        policy = setting.apply(policy, value);
      }
    }
  }
  const { baseMs, maxMs } = policy.ejection;
  if (maxMs < baseMs) policy = { ...policy, ejection: { ...policy.ejection, maxMs: baseMs } };
  return { policy, problems };
}

function integer(min: number, max: number): (text: string) => number | undefined {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  };
}

function duration(minMs: number, mayBeZero: boolean): (text: string) => number | undefined {
  return (text) => {
    const ms = parseDuration(text);
    if (ms === undefined) return undefined;
    return ms >= minMs || (mayBeZero && ms === 0) ? ms : undefined;
  };
}
