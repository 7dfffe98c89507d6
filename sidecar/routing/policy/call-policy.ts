// How calls are treated beyond where they go: all topics of our own settings together, as the data part reads them.
// Made by mesh-config/ferry-settings.ts, carried by the snapshot, chosen per method when a route is compiled. Plain
// data.

import { type BalancePolicy, defaultBalancePolicy } from "./balance-policy.ts";
import { type BudgetPolicy, defaultBudgetPolicy } from "./budget-policy.ts";
import { type DeadlinePolicy, defaultDeadlinePolicy } from "./deadline-policy.ts";
import { defaultEjectionPolicy, type EjectionPolicy } from "./ejection-policy.ts";
import { defaultFaultPolicy, type FaultPolicy } from "./fault-policy.ts";
import { defaultHedgePolicy, type HedgePolicy } from "./hedge-policy.ts";
import { defaultLimitPolicy, type LimitPolicy } from "./limit-policy.ts";
import { defaultMirrorPolicy, type MirrorPolicy } from "./mirror-policy.ts";
import { defaultRetryPolicy, type RetryPolicy } from "./retry-policy.ts";
import { defaultSplitPolicy, type SplitPolicy } from "./split-policy.ts";

export interface CallPolicy {
  readonly deadline: DeadlinePolicy;
  readonly retry: RetryPolicy;
  readonly hedge: HedgePolicy;
  readonly budget: BudgetPolicy;
  readonly ejection: EjectionPolicy;
  readonly balance: BalancePolicy;
  readonly limit: LimitPolicy;
  readonly fault: FaultPolicy;
  readonly mirror: MirrorPolicy;
  readonly split: SplitPolicy;
}

export const defaultCallPolicy: CallPolicy = {
  deadline: defaultDeadlinePolicy,
  retry: defaultRetryPolicy,
  hedge: defaultHedgePolicy,
  budget: defaultBudgetPolicy,
  ejection: defaultEjectionPolicy,
  balance: defaultBalancePolicy,
  limit: defaultLimitPolicy,
  fault: defaultFaultPolicy,
  mirror: defaultMirrorPolicy,
  split: defaultSplitPolicy,
};

/** The policy of one service: for all its methods, and for those that have settings of their own. */
export interface ServicePolicy {
  readonly all: CallPolicy;
  /** Single methods before whole services; the first whose pattern covers a path counts. */
  readonly methods: readonly MethodPolicy[];
  /** Every key that is in force, as written with its method: what it says and who said it. Defaults are not listed. */
  readonly origins: Readonly<Record<string, SettingOrigin>>;
}

export interface MethodPolicy {
  /** `package.Service/Method`, or a service's methods all as `package.Service/*`. */
  readonly method: string;
  readonly policy: CallPolicy;
}

export interface SettingOrigin {
  readonly value: string;
  /** For people, as `service-defaults quote-query Meta`. */
  readonly origin: string;
}

export const defaultServicePolicy: ServicePolicy = { all: defaultCallPolicy, methods: [], origins: {} };

/** The policy for calls of `path`; the same object for all that it covers. */
export function policyFor(service: ServicePolicy, path: string): CallPolicy {
  return service.methods.find(({ method }) => coversPath(method, path))?.policy ?? service.all;
}

/** Whether `method` (`package.Service/Method` or `package.Service/*`) covers the path `/package.Service/Method`. */
export function coversPath(method: string, path: string): boolean {
  if (method.endsWith("/*")) return path.startsWith(`/${method.slice(0, -1)}`);
  return path.length === method.length + 1 && path.endsWith(method);
}
