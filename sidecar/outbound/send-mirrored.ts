// The way of a mirrored copy, beside the stack and not through it: its target's own route, any instance that the
// registry calls healthy, one try. Called by resilience/mirror.ts when a request is whole.
//
// It feeds nothing of the real calls: no gate and no balancer sees it, so that a target that fails or hangs ejects
// nobody and weighs on nobody's choice, and no budget, limit or latency counts it. The copy keeps the call's trace and
// request id but is not sampled: the caller's trace shows what the caller waited for.

import type { Clock } from "../../common/clock.ts";
import { type Random, randomHex } from "../../common/random.ts";
import type { Call, EndpointCall, Reply } from "../call.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { ProxyFailure } from "../failure.ts";
import { emptyBody, wholeBody } from "../http2/body.ts";
import { HeaderField, type HeaderFields } from "../http2/header-field.ts";
import { priorityField } from "../priority.ts";
import { ReceivedCall } from "../received-call.ts";
import { type MirrorDeps, type MirrorResult, mirrorField } from "../resilience/mirror.ts";
import type { MirrorTarget } from "../routing/policy/mirror-policy.ts";
import { type Candidates, type RouteDecision, resolveRoute, resolveSubset } from "../routing/route-table.ts";
import type { Service } from "../stack.ts";
import { traceparentOf } from "../telemetry/trace-context.ts";
import type { Upstreams } from "./upstreams.ts";

export interface SendMirroredDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly upstreams: Upstreams;
  /** Sends to an endpoint; over connections that no real call uses. */
  readonly dial: Service<EndpointCall>;
}

/** No copy is under way longer, however patient its caller is. */
const maxMirrorMs = 15_000;

export function sendMirrored(deps: SendMirroredDeps): MirrorDeps["send"] {
  const { clock, random } = deps;
  return async function sendMirrored(routed, target, body) {
    const decision = decide(routed.call, target, deps);
    if (decision === undefined) return "unknown_target";
    const endpoint = anyOf(decision.candidates, random);
    if (endpoint === undefined) return "no_endpoint";
    const call = copyOf(routed.call, body, clock);
    const nowMs = clock.nowMs();
    const deadlineAtMs = Math.min(routed.deadlineAtMs, nowMs + Math.min(maxMirrorMs, decision.route.timeoutMs));
    const timer = clock.after(deadlineAtMs - nowMs, () =>
      call.cancel(new ProxyFailure("deadline_exceeded", target.name, "the copy was not answered in time")),
    );
    try {
      const rest = { deadlineAtMs, body: call.body, attempt: 1, tried: [], cancel: undefined };
      const routedCopy = { call, ...decision, ...rest };
      return await resultOf(await deps.dial({ routed: routedCopy, endpoint, chosenAtMs: nowMs }));
    } catch {
      return "failed";
    } finally {
      timer.cancel();
    }
  };
}

function decide(call: Call, target: MirrorTarget, deps: SendMirroredDeps): RouteDecision | undefined {
  const table = deps.upstreams.table(target.service);
  if (table === undefined) {
    deps.upstreams.ask(target.service);
    return undefined;
  }
  if (target.subset !== "") return resolveSubset(table, call.path, target.subset);
  return resolveRoute(table, call.path, call.fields, deps.random);
}

/** An endpoint of the first target that has any, by weight and by chance. */
function anyOf(candidates: Candidates, random: Random): Endpoint | undefined {
  const endpoints = candidates.targets.find((target) => target.endpoints.length > 0)?.endpoints ?? [];
  let point = random() * endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0);
  return endpoints.find((endpoint) => {
    point -= endpoint.weight;
    return point < 0;
  });
}

/** The call as a copy of its own: it ends for its own reasons, and bears the mark. */
function copyOf(call: Call, body: Buffer | undefined, clock: Clock): ReceivedCall {
  const fields: HeaderFields = [
    ...call.fields.filter(({ name }) => !replaced.has(name)),
    new HeaderField("traceparent", traceparentOf({ ...call.trace, sampled: false })),
    new HeaderField("x-request-id", call.requestId),
    new HeaderField(mirrorField, "1"),
    // Where there is too much to do, copies go first.
    new HeaderField(priorityField, "sheddable"),
  ];
  return new ReceivedCall(
    {
      fields,
      body: body === undefined ? emptyBody : wholeBody(body),
      endsWithHead: body === undefined,
      peer: call.peer,
    },
    { nowMs: () => clock.nowMs(), randomHex, sampleNew: () => false },
  );
}

const replaced: ReadonlySet<string> = new Set([
  "traceparent",
  "x-request-id",
  "grpc-timeout",
  mirrorField,
  priorityField,
]);

/** Reads the reply to its end and drops it: the target must not stall on a window that nobody opens. */
function resultOf(reply: Reply): Promise<MirrorResult> {
  if (!reply.endsWithHead) {
    reply.body.attach({
      data: (chunk) => reply.body.grant(chunk.length),
      trailers: () => {},
      abort: () => {},
    });
  }
  return new Promise((resolve) => {
    reply.onEnd(({ status, failure }) => {
      if (failure !== undefined) resolve("failed");
      else resolve(status === 0 ? "ok" : "error");
    });
  });
}
