// Decides where a call goes, once per call: the upstream by the listener or by `:authority`, then router, splitter and
// resolver of its snapshot. Sits outside retry, so that a retry stays on its canary side. What the mesh configuration
// says about the reply's header is applied here on the way out.

import type { Random } from "../../common/random.ts";
import type { Call, Reply, RoutedCall } from "../call.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { ProxyFailure } from "../failure.ts";
import { HeaderField, type HeaderFields } from "../http2/header-field.ts";
import { changedFields } from "../outgoing-fields.ts";
import { type Route, type RouteTable, resolveRoute } from "../routing/route-table.ts";
import type { Layer } from "../stack.ts";
import type { Upstreams } from "./upstreams.ts";

const noneTried: readonly Endpoint[] = [];

export interface RouteDeps {
  readonly upstreams: Upstreams;
  readonly random: Random;
  /** The upstream a call is for; undefined: it names none that could exist. */
  upstreamOf(call: Call): string | undefined;
}

/** How long a call waits for the first snapshot of an upstream that nobody declared. */
const firstSnapshotTimeoutMs = 2_000;

export function route(deps: RouteDeps): Layer<Call, RoutedCall> {
  const { upstreams, random, upstreamOf } = deps;

  function routed(call: Call, table: RouteTable): RoutedCall {
    const decision = resolveRoute(table, call.path, call.fields, random);
    if (decision === undefined) throw noRoute(call, table.upstream);
    call.notes.route = decision.route;
    const deadlineAtMs = Math.min(call.deadlineAtMs, call.receivedAtMs + decision.route.timeoutMs);
    return { call, ...decision, deadlineAtMs, body: call.body, attempt: 1, tried: noneTried, cancel: undefined };
  }

  return (next) =>
    async function route(call) {
      // The wire lets nothing else in; said again here, where paths are matched.
      if (!call.path.startsWith("/") && call.path !== "*") {
        throw new ProxyFailure("bad_request", "", "path does not begin with /");
      }
      const upstream = upstreamOf(call);
      if (upstream === undefined) throw noRoute(call, call.authority);
      const table = upstreams.table(upstream) ?? (await upstreams.tableSoon(upstream, firstSnapshotTimeoutMs));
      if (table === undefined) {
        throw new ProxyFailure("no_endpoint", upstream, `nothing is known of it after ${firstSnapshotTimeoutMs} ms`);
      }
      const target = routed(call, table);
      return withHeader(await next(target), call, target.route);
    };
}

/** The service name in an authority such as `quote-query:9191`; undefined when it cannot be one. */
export function serviceOfAuthority(authority: string): string | undefined {
  const colon = authority.lastIndexOf(":");
  const name = colon === -1 ? authority : authority.slice(0, colon);
  return /^[a-z0-9][a-z0-9-]{0,62}$/.test(name) ? name : undefined;
}

function noRoute(call: Call, upstream: string): ProxyFailure {
  return new ProxyFailure("no_route", upstream, `nothing routes ${call.path}`);
}

/** The reply with what the route adds to its header; the same object when that is nothing. */
function withHeader(reply: Reply, call: Call, route: Route): Reply {
  const attempts = call.notes.attempts;
  if (attempts <= 1 && route.responseHeaders.length === 0) return reply;
  let fields: HeaderFields = changedFields(reply.fields, route.responseHeaders);
  if (attempts > 1) fields = [...fields, new HeaderField("x-ferry-attempts", String(attempts))];
  return {
    fields,
    endsWithHead: reply.endsWithHead,
    body: reply.body,
    onEnd: (listener) => reply.onEnd(listener),
  };
}
