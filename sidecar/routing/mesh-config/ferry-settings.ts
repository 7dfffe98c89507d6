// Our own settings in the mesh configuration: the tables of all topics (sidecar/routing/policy/) as one, and the reader
// of `ferry_*` keys. They stand in proxy-defaults.Config (for all services) and in service-defaults.Meta (for one);
// Consul carries both to every proxy untouched. The parser, `ferry check`, `ferry route` and the reference docs read
// this table, and a key that no code honours must not be in it.
//
// A key may name what it is for: `ferry_retries` is for every method, `ferry_retries:package.Service/*` for one gRPC
// service's, `ferry_retries:package.Service/Method` for one; the narrower wins wherever it stands. Values may be
// written as strings everywhere (Meta holds nothing else), as numbers and booleans in proxy-defaults.Config.

import { nearestName } from "../../../common/nearest-name.ts";
import { balanceSettings } from "../policy/balance-policy.ts";
import { budgetSettings } from "../policy/budget-policy.ts";
import { type CallPolicy, defaultCallPolicy, type ServicePolicy, type SettingOrigin } from "../policy/call-policy.ts";
import { deadlineSettings } from "../policy/deadline-policy.ts";
import { ejectionSettings } from "../policy/ejection-policy.ts";
import { faultSettings } from "../policy/fault-policy.ts";
import { hedgeSettings } from "../policy/hedge-policy.ts";
import { limitSettings } from "../policy/limit-policy.ts";
import { mirrorSettings } from "../policy/mirror-policy.ts";
import { retrySettings } from "../policy/retry-policy.ts";
import type { TopicSetting } from "../policy/setting.ts";
import { splitSettings } from "../policy/split-policy.ts";

const topics: { readonly [K in keyof CallPolicy]: readonly TopicSetting<CallPolicy[K]>[] } = {
  deadline: deadlineSettings,
  retry: retrySettings,
  hedge: hedgeSettings,
  budget: budgetSettings,
  ejection: ejectionSettings,
  balance: balanceSettings,
  limit: limitSettings,
  fault: faultSettings,
  mirror: mirrorSettings,
  split: splitSettings,
};

/** What a topic is about, as the reference page and `ferry route` head it. */
export const topicTitles: Readonly<Record<keyof CallPolicy, string>> = {
  deadline: "Deadlines",
  retry: "Retries",
  hedge: "Hedging",
  budget: "The retry budget",
  ejection: "Ejection of endpoints",
  balance: "Balancing",
  limit: "Limits",
  fault: "Faults for tests",
  mirror: "Mirroring",
  split: "Sticky splits",
};

/** A key of any topic. */
export interface FerrySetting extends TopicSetting<CallPolicy> {
  readonly topic: keyof CallPolicy;
}

/** Every `ferry_*` key that exists, topic by topic. */
export const ferrySettings: readonly FerrySetting[] = (Object.keys(topics) as (keyof CallPolicy)[]).flatMap((topic) =>
  lift(topic),
);

const byKey = new Map(ferrySettings.map((setting) => [setting.key, setting]));
const prefix = "ferry_";
/** Without the prefix: what all names share says nothing about which of them is near. */
const bareNames = [...byKey.keys()].map((key) => key.slice(prefix.length));
const whatExists = "a key that exists (docs/reference/mesh-config.md)";

/** A mistake in one key; the caller knows where the key stands. */
export interface SettingProblem {
  readonly key: string;
  readonly expected: string;
  readonly found: string;
  readonly suggestion: string;
}

/** The keys of one place, and what people call the place. */
export interface SettingLayer {
  /** As `service-defaults quote-query Meta`. */
  readonly origin: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Checks the `ferry_*` keys of a Config or Meta; other keys are none of ours. */
export function checkFerrySettings(values: Readonly<Record<string, unknown>>): readonly SettingProblem[] {
  return readPolicy([{ origin: "", values }]).problems;
}

/**
 * The policy that `layers` make together, later ones over earlier ones. A bad value is a problem and changes nothing:
 * the layer below stays in force.
 */
export function readPolicy(layers: readonly SettingLayer[]): {
  readonly policy: ServicePolicy;
  readonly problems: readonly SettingProblem[];
} {
  const problems: SettingProblem[] = [];
  const stated = layers.flatMap((layer) => readLayer(layer, problems));
  const origins: Record<string, SettingOrigin> = {};
  const apply = (policy: CallPolicy, method: string) => {
    let changed = policy;
    for (const { key, setting, method: its, value, origin } of stated) {
      if (its !== method) continue;
      changed = setting.read(changed, value) ?? changed;
      origins[key] = { value, origin };
    }
    return changed;
  };
  const all = apply(defaultCallPolicy, "");
  const patterns = [...new Set(stated.map(({ method }) => method))].filter((method) => method !== "");
  const services = patterns.filter(isWholeService).map((method) => ({ method, policy: apply(all, method) }));
  const singles = patterns
    .filter((method) => !isWholeService(method))
    .map((method) => {
      const service = `${method.slice(0, method.indexOf("/"))}/*`;
      const below = services.find((other) => other.method === service)?.policy ?? all;
      return { method, policy: apply(below, method) };
    });
  return { policy: { all, methods: [...singles, ...services], origins }, problems };
}

/** A key with a value that is right. */
interface StatedSetting {
  /** As written. */
  readonly key: string;
  readonly setting: FerrySetting;
  /** Empty: for all methods. */
  readonly method: string;
  readonly value: string;
  readonly origin: string;
}

function readLayer({ origin, values }: SettingLayer, problems: SettingProblem[]): readonly StatedSetting[] {
  const stated: StatedSetting[] = [];
  for (const [key, raw] of Object.entries(values)) {
    if (!key.toLowerCase().startsWith(prefix)) continue;
    const colon = key.indexOf(":");
    const name = colon === -1 ? key : key.slice(0, colon);
    const method = colon === -1 ? "" : key.slice(colon + 1);
    const setting = byKey.get(name);
    const found = JSON.stringify(key);
    if (setting === undefined) {
      const nearest = nearestName(name.slice(prefix.length), bareNames);
      const suggestion = nearest === undefined ? "" : `${prefix}${nearest}${key.slice(name.length)}`;
      problems.push({ key, expected: whatExists, found, suggestion });
    } else if (colon !== -1 && setting.scope === "service") {
      problems.push({ key, expected: `${name} without a method: it is for a whole service`, found, suggestion: name });
    } else if (colon !== -1 && !methodPattern.test(method)) {
      const expected = `${name}:package.Service/Method or ${name}:package.Service/*`;
      problems.push({ key, expected, found, suggestion: nearestMethodKey(name, method) });
    } else {
      const isScalar = typeof raw === "string" || typeof raw === "number" || typeof raw === "boolean";
      const value = isScalar ? String(raw) : "";
      if (isScalar && setting.read(defaultCallPolicy, value) !== undefined) {
        stated.push({ key, setting, method, value, origin });
      } else {
        const suggestion = isScalar ? setting.nearest(value) : "";
        problems.push({ key, expected: setting.expected, found: JSON.stringify(raw), suggestion });
      }
    }
  }
  return stated;
}

const methodPattern = /^[A-Za-z_][\w.]*\/([A-Za-z_]\w*|\*)$/;

/** What a method in another notation (`/a.B/C`, `a.B.C`, `a.B/`) would be as a key; empty when it is none of these. */
function nearestMethodKey(name: string, method: string): string {
  const bare = method.trim().replace(/^\//, "");
  const asPath = bare.includes("/") ? bare.replace(/\/$/, "/*") : bare.replace(/\.(\w+|\*)$/, "/$1");
  return methodPattern.test(asPath) ? `${name}:${asPath}` : "";
}

function isWholeService(method: string): boolean {
  return method.endsWith("/*");
}

/** The rows of one topic as rows of the whole policy. */
function lift<K extends keyof CallPolicy>(topic: K): readonly FerrySetting[] {
  return topics[topic].map((row) => ({
    ...row,
    topic,
    read(policy, text) {
      const changed = row.read(policy[topic], text);
      return changed === undefined ? undefined : { ...policy, [topic]: changed };
    },
  }));
}
