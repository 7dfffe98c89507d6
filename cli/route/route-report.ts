// Where a call would go and under which settings, as data: what `ferry route --json` prints. Compiles the same snapshot
// and table that calls are routed by. Pure.

import type { Endpoint } from "../../sidecar/discovery/registry.ts";
import { HeaderField } from "../../sidecar/http2/header-field.ts";
import { compileSnapshot } from "../../sidecar/routing/compile-snapshot.ts";
import { explainRoute, type LegExplanation, type RuleExplanation } from "../../sidecar/routing/explain-route.ts";
import type { SettingInForce } from "../../sidecar/routing/explain-settings.ts";
import { compileRouteTable } from "../../sidecar/routing/route-table.ts";
import type { Snapshot } from "../../sidecar/routing/snapshot.ts";
import type { LearnedMethod } from "./learn-method.ts";
import type { MeshPicture } from "./read-mesh.ts";

export interface RouteQuestion {
  readonly upstream: string;
  /** As `/package.Service/Method`. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export interface EndpointReport {
  readonly id: string;
  readonly address: string;
  readonly version: string;
  readonly health: Endpoint["health"];
  readonly weight: number;
  /** The registry lets it be dialed. */
  readonly mayBeCalled: boolean;
  /** What the gateway of the running stack makes of it, as `admitted`, `probing`, `ejected`; null where none runs. */
  readonly admission: string | null;
}

export interface TargetReport {
  readonly id: string;
  readonly service: string;
  readonly subset: string;
  readonly endpoints: readonly EndpointReport[];
}

export interface LegReport {
  readonly percent: number;
  /** This very call goes here: the only leg, or the one that the sticky header leads to. */
  readonly isChosen: boolean;
  /** As `router quoter[3] > splitter quote-query 90% > quote-query v1`. */
  readonly explanation: string;
  readonly service: string;
  readonly subset: string;
  /** A call that may have run may be sent again. */
  readonly isIdempotent: boolean;
  /** In order: a later one only when none before it has a healthy endpoint. */
  readonly targets: readonly TargetReport[];
  readonly settings: readonly SettingInForce[];
}

export interface RouteReport {
  readonly method: string;
  readonly upstream: string;
  readonly headers: readonly string[];
  readonly registry: string;
  readonly config: string;
  readonly kind: string;
  readonly idempotent: boolean | null;
  readonly traitsFrom: string;
  readonly rules: readonly RuleExplanation[];
  /** What decides the split for calls that bear it; empty: chance does. */
  readonly stickyHeader: string;
  /** Empty when no rule matches. */
  readonly legs: readonly LegReport[];
}

export interface RouteFindings {
  readonly mesh: MeshPicture;
  readonly learned: LearnedMethod;
  /** By instance id. */
  readonly admission: ReadonlyMap<string, string>;
}

export function routeReport(question: RouteQuestion, { mesh, learned, admission }: RouteFindings): RouteReport {
  const { upstream, path, headers } = question;
  const { chain, globalConfig, serviceMeta } = mesh.view;
  const { traits, from } = learned;
  const snapshot = compileSnapshot({
    ...{ upstream, revision: 1, chain, instances: mesh.instances, globalConfig, serviceMeta },
    methods: traits === undefined ? {} : { [path]: traits },
  });
  const at = { snapshot, table: compileRouteTable(snapshot) };
  const { rules, stickyHeader, legs } = explainRoute(at, path, fieldsOf(question));
  return {
    ...{ method: path.slice(1), upstream, registry: mesh.registry, config: mesh.config },
    headers: headers.map(([name, value]) => `${name}: ${value}`),
    ...{ kind: traits?.kind ?? "unknown", idempotent: traits?.idempotent ?? null, traitsFrom: from },
    ...{ rules, stickyHeader },
    legs: legs.map((leg) => legReport(leg, snapshot, admission)),
  };
}

/** The header of a gRPC call, as the gateway would see it. */
function fieldsOf({ upstream, path, headers }: RouteQuestion): readonly HeaderField[] {
  const usual = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", upstream],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
  ] as const;
  return [...usual, ...headers].map(([name, value]) => new HeaderField(name, value));
}

function legReport(leg: LegExplanation, snapshot: Snapshot, admission: RouteFindings["admission"]): LegReport {
  const { percent, isChosen, decision, settings } = leg;
  const { route, candidates } = decision;
  const targets = candidates.targets.map(({ id, endpoints: eligible }): TargetReport => {
    const target = snapshot.chain.Targets[id];
    const endpoints = (snapshot.endpoints[id] ?? []).map((endpoint): EndpointReport => {
      const { id: instance, host, port, version, health, weight } = endpoint;
      const mayBeCalled = eligible.includes(endpoint);
      const seen = admission.get(instance) ?? null;
      return { id: instance, address: `${host}:${port}`, version, health, weight, mayBeCalled, admission: seen };
    });
    return { id, service: target?.Service ?? "", subset: target?.ServiceSubset ?? "", endpoints };
  });
  const { explanation, service, subset, isIdempotent } = route;
  return { percent, isChosen, explanation, service, subset, isIdempotent, targets, settings };
}
