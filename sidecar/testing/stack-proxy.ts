// The outbound stack between a real listener and the real pool, with everything that `ferry proxy` fixes left to the
// test: several endpoints, the clock, randomness, limits, what is known of the method.

import { type Clock, systemClock } from "../../common/clock.ts";
import { randomHex } from "../../common/random.ts";
import { formatAddress } from "../../common/settings.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { defaultLimits, type Limits } from "../http2/limits.ts";
import { outboundStack } from "../outbound/stack.ts";
import { Upstreams } from "../outbound/upstreams.ts";
import { refuseTooLarge } from "../refuse-too-large.ts";
import { EndpointStates } from "../resilience/endpoint-states.ts";
import { CallLimits } from "../resilience/limit.ts";
import { compileSnapshot } from "../routing/compile-snapshot.ts";
import { compileChain } from "../routing/local-compiler.ts";
import { emptyMeshConfig } from "../routing/mesh-config/mesh-config.ts";
import type { MethodTraits } from "../routing/snapshot.ts";
import { serveCalls } from "../serve-calls.ts";
import { plaintextDialer } from "../transport/dial.ts";
import { listenHttp2 } from "../transport/listen.ts";
import { Pool } from "../transport/pool.ts";
import type { ProxyUnderTest } from "./proxy-under-test.ts";

export interface StackProxyOptions {
  /** Default: the system's. */
  readonly clock?: Clock;
  readonly limits?: Partial<Limits>;
  /** Of `/ferry.test.Echo/Unary`; default: nothing is known. */
  readonly traits?: MethodTraits;
  /** `ferry_*` keys, as in proxy-defaults; default: none. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Default: 10,000. */
  readonly maxCallsInFlight?: number;
  /** Calls name an upstream that does not exist. */
  readonly hasNoRoute?: boolean;
}

export interface StackProxy extends ProxyUnderTest {
  /** What calls that are under way hold; all 0 when none is. */
  readonly held: () => { readonly calls: number; readonly atEndpoints: number; readonly places: number };
}

const host = "127.0.0.1";
const name = "upstream";

export async function startStackProxy(ports: readonly number[], options: StackProxyOptions = {}): Promise<StackProxy> {
  const { clock = systemClock, limits = {}, maxCallsInFlight = 10_000 } = options;
  const upstreamOf = () => (options.hasNoRoute === true ? undefined : name);
  const states = new EndpointStates();
  const callLimits = new CallLimits();
  const upstreams = new Upstreams({ clock, states, want: () => {} });
  const snapshot = snapshotOf(ports, options);
  upstreams.apply(snapshot);
  const pool = new Pool({ clock, dial: plaintextDialer(clock, { limits: { ...defaultLimits, ...limits } }) });
  const service = outboundStack(
    { maxCallsInFlight, maxReplayBytes: 65_536 },
    {
      // No wait between tries, and turns that a test can foretell.
      ...{ clock, random: () => 0, upstreams, states, sender: pool, recorders: [] },
      limits: callLimits,
      ...{ upstreamOf, onRetry() {}, onAdmissionChange() {} },
      reportDefect(error) {
        throw error;
      },
    },
  );
  const calls = serveCalls(service, { nowMs: () => clock.nowMs(), randomHex, sampleNew: () => false });
  const listening = await listenHttp2({
    ...{ host, port: 0, clock, limits },
    onRequest: (stream) => calls.serve(stream),
    onTooLarge: refuseTooLarge,
  });
  return {
    port: listening.port,
    held: () => ({
      calls: calls.inFlight,
      atEndpoints: Object.values(snapshot.endpoints)
        .flat()
        .reduce((sum, endpoint) => sum + states.of(endpoint).active, 0),
      places: [...callLimits.all()].reduce((sum, { places }) => sum + places.inFlight, 0),
    }),
    async close() {
      await Promise.all([listening.close(), pool.close()]);
    },
  };
}

function snapshotOf(ports: readonly number[], { traits, settings }: StackProxyOptions) {
  const compiled = compileChain(emptyMeshConfig.set, name);
  if (!compiled.ok) throw new Error(compiled.problem.expected);
  const endpoints = ports.map(
    (port): Endpoint => ({
      ...{ id: formatAddress({ host, port }), service: name, version: "", host, port },
      ...{ weight: 1, health: "passing", meta: {} },
    }),
  );
  const methods = traits === undefined ? {} : { "/ferry.test.Echo/Unary": traits };
  return compileSnapshot({
    ...{ upstream: name, revision: 1, chain: compiled.chain, methods },
    instances: new Map([[name, endpoints]]),
    globalConfig: settings,
  });
}
