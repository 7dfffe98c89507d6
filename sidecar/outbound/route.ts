// Decides where a call goes, once per call: the upstream by the listener or by `:authority`, then router, splitter and
// resolver of its snapshot. Sits outside retry, so that a retry stays on its canary side. What the mesh configuration
// says about the reply's header is applied here on the way out.

import type { Random } from "../../common/random.ts";
import type { Call, Reply, RoutedCall } from "../call.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { ProxyFailure } from "../failure.ts";
import { changedFields } from "../outgoing-fields.ts";
import { PendingReply } from "../pending-reply.ts";
import { withFields } from "../reply-fields.ts";
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

  /** Undefined: nothing routes it. */
  function routed(call: Call, table: RouteTable): RoutedCall | undefined {
    const decision = resolveRoute(table, call.path, call.fields, random);
    if (decision === undefined) return undefined;
    call.notes.route = decision.route;
    const { route, candidates } = decision;
    const deadlineAtMs = Math.min(call.deadlineAtMs, call.receivedAtMs + route.timeoutMs);
    return { call, route, candidates, deadlineAtMs, body: call.body, attempt: 1, tried: noneTried, cancel: undefined };
  }

  return (next) => {
    function send(call: Call, table: RouteTable): PendingReply {
      const target = routed(call, table);
      if (target === undefined) return PendingReply.withError(noRoute(call, table.upstream));
      const pending = next(target);
      return target.route.responseHeaders.length === 0 ? pending : withHeader(pending, target.route);
    }

    /** An upstream that nobody declared. */
    async function sendSoon(call: Call, upstream: string): Promise<Reply> {
      const table = await upstreams.tableSoon(upstream, firstSnapshotTimeoutMs);
      if (table !== undefined) return send(call, table);
      throw new ProxyFailure("no_endpoint", upstream, `nothing is known of it after ${firstSnapshotTimeoutMs} ms`);
    }

    return function route(call) {
      // The wire lets nothing else in; said again here, where paths are matched.
      if (call.path.charCodeAt(0) !== slash && call.path !== "*") {
        return PendingReply.withError(new ProxyFailure("bad_request", "", "path does not begin with /"));
      }
      const upstream = upstreamOf(call);
      if (upstream === undefined) return PendingReply.withError(noRoute(call, call.authority));
      const table = upstreams.table(upstream);
      return table !== undefined ? send(call, table) : PendingReply.from(sendSoon(call, upstream));
    };
  };
}

const slash = 0x2f;

// An application calls few services, in rows: what the last authority was is as good as a table.
let lastAuthority = "";
let lastService: string | undefined;

/** The service name in an authority such as `quote-query:9191`; undefined when it cannot be one. */
export function serviceOfAuthority(authority: string): string | undefined {
  if (authority !== lastAuthority) {
    lastService = parseAuthority(authority);
    lastAuthority = authority;
  }
  return lastService;
}

function parseAuthority(authority: string): string | undefined {
  const colon = authority.lastIndexOf(":");
  const name = colon === -1 ? authority : authority.slice(0, colon);
  return /^[a-z0-9][a-z0-9-]{0,62}$/.test(name) ? name : undefined;
}

function noRoute(call: Call, upstream: string): ProxyFailure {
  return new ProxyFailure("no_route", upstream, `nothing routes ${call.path}`);
}

/** The reply with what the route does to its header. */
function withHeader(pending: PendingReply, { responseHeaders }: Route): PendingReply {
  const changed = new PendingReply();
  pending.tell({
    replied: (reply) => changed.replied(withFields(reply, changedFields(reply.fields, responseHeaders))),
    failed: (error) => changed.failed(error),
  });
  return changed;
}
