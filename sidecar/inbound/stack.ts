// THE list of layers that a call from another sidecar passes on its way to the application, outermost first. Each line
// says why it stands there and not one lower. docs/life-of-a-request.md draws it.

import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { Call } from "../call.ts";
import type { RequestSender } from "../http2/request-sender.ts";
import { rescue } from "../rescue.ts";
import { deadline } from "../resilience/deadline.ts";
import { adaptiveLimit } from "../resilience/limit-adaptive.ts";
import { inboundLimit } from "../resilience/limit-inbound.ts";
import { rateLimit } from "../resilience/rate-limit.ts";
import { shed } from "../resilience/shed.ts";
import { noteRetries, TriedTraces } from "../resilience/tried-traces.ts";
import { type Service, stack } from "../stack.ts";
import { type Recorder, record } from "../telemetry/record.ts";
import { type AppAddress, dialApp } from "./dial-app.ts";
import { InboundRules } from "./inbound-rules.ts";

export interface InboundParams {
  readonly app: AppAddress;
  /** The application, as it is named in failures. */
  readonly appName: string;
  readonly maxCallsInFlight: number;
}

export interface InboundDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly sender: RequestSender;
  /** What the service's own settings say; of all its entrances together. Default: the defaults. */
  readonly rules?: InboundRules;
  /** What the way out of the same sidecar found out about retries. Default: there is none. */
  readonly traces?: TriedTraces;
  readonly recorders: readonly Recorder[];
  readonly reportDefect: (error: unknown, requestId: string) => void;
}

export function inboundStack(params: InboundParams, deps: InboundDeps): Service<Call> {
  const { app, appName, maxCallsInFlight } = params;
  const { clock, random, sender, rules = new InboundRules(appName, clock), traces = new TriedTraces() } = deps;
  const maxPending = () => rules.maxPending;
  return stack(
    // Outermost: what is recorded is what the calling sidecar saw.
    record("inbound", deps.recorders, clock),
    // Outside of everything that can fail: no error leaves as a bare reset.
    rescue(deps.reportDefect, clock, (call, fields) => traces.lastWord(call, fields)),
    // Before anything that costs memory or waits: an overload is refused at once.
    shed(maxCallsInFlight, { clock, random }),
    // The calling sidecar enforces it too; here it frees the application when that one is gone.
    deadline(clock, () => `${app.host}:${app.port} (${appName})`),
    // Before the application, whose own calls go out under the same trace.
    noteRetries(traces),
    // Before the limits on calls under way: what has no token takes no place.
    rateLimit((path) => rules.of(path).rate, clock),
    // Outside of the whole application's limit: a method that only queues leaves the places to others.
    adaptiveLimit({ placesOf: (path) => rules.of(path).adaptive, maxPending, clock, random }),
    // Innermost, inside deadline: a wait ends with it, and a place is a place in the application.
    inboundLimit({ own: rules.total, maxPending, clock, random }),
    dialApp(sender, app, clock),
  );
}
