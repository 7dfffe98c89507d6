// What each layer of the way out costs a call that goes well, at the defaults:
//
//   npm run bench:layers -- [--json] [--write]
//
// The layers of sidecar/outbound/stack.ts are put on top of each other one by one, from the outside in, over an end
// that answers at once; a layer's cost is what it adds. So it holds what the layer does, its promise and its listener,
// and nothing of sockets, frames or header blocks. Calls are unary, idempotent, with a body of 64 octets. Each figure
// is the best of many runs, of processor time; bytes are what V8's heap grew by.
//
// A layer that is off by default (fault, mirror, hedge) shows what it costs to be there.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemClock as clock } from "../common/clock.ts";
import { resultLine, thisMachine } from "../common/json-output.ts";
import { systemRandom as random, randomHex } from "../common/random.ts";
import { readFlags } from "../common/script-flags.ts";
import type { Call, EndpointCall, Outcome, Reply, RoutedCall } from "../sidecar/call.ts";
import type { BodySink, BodySource } from "../sidecar/http2/body.ts";
import { HeaderField } from "../sidecar/http2/header-field.ts";
import { route } from "../sidecar/outbound/route.ts";
import { Upstreams } from "../sidecar/outbound/upstreams.ts";
import { PendingReply, type ReplyWaiter } from "../sidecar/pending-reply.ts";
import { ReceivedCall } from "../sidecar/received-call.ts";
import { rescue } from "../sidecar/rescue.ts";
import { balance } from "../sidecar/resilience/balance.ts";
import { capDeadline, deadline } from "../sidecar/resilience/deadline.ts";
import { earlyRefusal } from "../sidecar/resilience/early-refusal.ts";
import { EndpointStates } from "../sidecar/resilience/endpoint-states.ts";
import { fault } from "../sidecar/resilience/fault.ts";
import { gate } from "../sidecar/resilience/gate.ts";
import { hedge } from "../sidecar/resilience/hedge.ts";
import { LatencyWindows, observeLatency } from "../sidecar/resilience/latency-windows.ts";
import { CallLimits, limit } from "../sidecar/resilience/limit.ts";
import { mirror } from "../sidecar/resilience/mirror.ts";
import { MirrorPlaces } from "../sidecar/resilience/mirror-places.ts";
import { retry } from "../sidecar/resilience/retry.ts";
import { RetryBudgets } from "../sidecar/resilience/retry-budgets.ts";
import { shed } from "../sidecar/resilience/shed.ts";
import { TriedTraces } from "../sidecar/resilience/tried-traces.ts";
import { faultAbort, faultDelay } from "../sidecar/routing/policy/fault-policy.ts";
import { quoterSnapshot } from "../sidecar/routing/testing-chain.ts";
import type { Layer, Service } from "../sidecar/stack.ts";
import { callMetrics } from "../sidecar/telemetry/call-metrics.ts";
import { MetricRegistry } from "../sidecar/telemetry/metric-registry.ts";
import { record } from "../sidecar/telemetry/record.ts";
import { madeBy, writePart } from "./performance-page.ts";

const callsPerRun = 20_000;
const runs = 25;
const maxReplayBytes = 65_536;
const path = "/quoter.query.v1.QuoteQueryService/GetQuote";

interface LayerCost {
  readonly layer: string;
  readonly nsPerCall: number;
  readonly bytesPerCall: number;
}

/** Any layer: the stages are the stack's own business, and the list below is in its order. */
type AnyLayer = Layer<never, never>;
type AnyCall = Call | RoutedCall | EndpointCall;

const states = new EndpointStates();
const upstreams = new Upstreams({ clock, states, want: () => {} });
upstreams.apply(quoterSnapshot());
const metrics = callMetrics({ registry: new MetricRegistry(), service: "s", isKnownMethod: () => true });
const budgets = new RetryBudgets();
const traces = new TriedTraces();
const noMirror = {
  ...{ clock, random, places: new MirrorPlaces(), maxBodyBytes: maxReplayBytes },
  send: () => Promise.reject(new Error("nothing is mirrored here")),
  onMirrored: () => {},
};
const where = () => "";

/** As sidecar/outbound/stack.ts has them; bench/layers.test.ts holds the two together. */
export const outboundLayers: readonly [string, AnyLayer][] = [
  ["record", anyLayer(record("outbound", [metrics.recorder, observeLatency], clock))],
  ["rescue", anyLayer(rescue(() => {}, clock))],
  ["shed", anyLayer(shed(10_000, { clock, random }))],
  ["deadline", anyLayer(deadline(clock, where))],
  ["route", anyLayer(route({ upstreams, random, upstreamOf: () => "quoter" }))],
  ["capDeadline", anyLayer(capDeadline(clock, where))],
  ["fault", anyLayer(fault({ clock, random, forms: { delay: faultDelay, abort: faultAbort } }))],
  ["mirror", anyLayer(mirror(noMirror))],
  ["limit", anyLayer(limit({ limits: new CallLimits(), clock, random }))],
  ["earlyRefusal", anyLayer(earlyRefusal(new LatencyWindows(), clock))],
  ["retry", anyLayer(retry({ clock, random, budgets, traces, maxReplayBytes, onRetry: () => {} }))],
  ["hedge", anyLayer(hedge({ clock, budgets, traces, maxReplayBytes }))],
  ["balance", anyLayer(balance({ states, clock, random }))],
  ["gate", anyLayer(gate({ states, clock, random, onAdmissionChange: () => {} }))],
];

function anyLayer<In, Out>(layer: Layer<In, Out>): AnyLayer {
  return layer as unknown as AnyLayer;
}

const message = Buffer.alloc(64);
const sink: BodySink = { data() {}, trailers() {}, abort() {} };
const head = [new HeaderField(":status", "200"), new HeaderField("content-type", "application/grpc")];
const trailers = [new HeaderField("grpc-status", "0")];
const ok: Outcome = { status: 0, httpStatus: 200, failure: undefined };
const requestBody: BodySource = { attach: (to) => to.data(message, true), grant() {}, cancel() {} };
const fields = [
  new HeaderField(":method", "POST"),
  new HeaderField(":path", path),
  new HeaderField(":authority", "quoter"),
  new HeaderField("content-type", "application/grpc"),
  new HeaderField("grpc-timeout", "5S"),
];

/** A reply that ends when its body has been taken, as one from the wire does. */
class InstantReply implements Reply, BodySource {
  readonly fields = head;
  readonly endsWithHead = false;
  #hasEnded = false;
  #listener: ((outcome: Outcome) => void) | undefined = undefined;
  #others: ((outcome: Outcome) => void)[] | undefined = undefined;

  get body(): BodySource {
    return this;
  }

  onEnd(listener: (outcome: Outcome) => void): void {
    if (this.#hasEnded) listener(ok);
    else if (this.#listener === undefined) this.#listener = listener;
    else if (this.#others === undefined) this.#others = [listener];
    else this.#others.push(listener);
  }

  attach(to: BodySink): void {
    to.data(message, false);
    to.trailers(trailers);
    this.#hasEnded = true;
    this.#listener?.(ok);
    if (this.#others !== undefined) for (const listener of this.#others) listener(ok);
  }

  grant(): void {}

  cancel(): void {}
}

/** The end of the wire: takes the request's body and answers. */
function end(at: AnyCall): PendingReply {
  const body = "routed" in at ? at.routed.body : at.body;
  body.attach(sink);
  return PendingReply.withReply(new InstantReply());
}

const sources = { nowMs: () => clock.nowMs(), randomHex, sampleNew: () => false };

const taker: ReplyWaiter = {
  replied(reply) {
    if (reply.endsWithHead) throw new Error(`a call failed: ${reply.fields.map(({ value }) => value).join(" ")}`);
    reply.body.attach(sink);
  },
  failed(error) {
    throw error;
  },
};

function run(service: Service<Call>): void {
  for (let n = 0; n < callsPerRun; n++) {
    const call = new ReceivedCall({ fields, body: requestBody, endsWithHead: false, peer: undefined }, sources);
    service(call).tell(taker);
  }
}

interface Cost {
  readonly ns: number;
  readonly bytes: number;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** The best of one run more. */
function better(service: Service<Call>, known: Cost): Cost {
  collect();
  const heapBefore = process.memoryUsage().heapUsed;
  const before = process.cpuUsage();
  run(service);
  const { user, system } = process.cpuUsage(before);
  const grown = process.memoryUsage().heapUsed - heapBefore;
  return {
    ns: Math.min(known.ns, ((user + system) * 1_000) / callsPerRun),
    // It shrinks when there was a collection within the run: then nothing was measured.
    bytes: grown > 0 ? Math.min(known.bytes, grown / callsPerRun) : known.bytes,
  };
}

/** Every stack takes its turn in every round, so that all have the same weather. */
async function measureLayers(): Promise<readonly LayerCost[]> {
  const stacks = [
    end as Service<Call>,
    ...outboundLayers.map((_, at) => {
      const layers = outboundLayers.slice(0, at + 1).map(([, layer]) => layer);
      return layers.reduceRight((next, layer) => layer(next as Service<never>), end as Service<never>) as Service<Call>;
    }),
  ];
  const costs = stacks.map((): Cost => ({ ns: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }));
  for (let round = 0; round < runs; round++) {
    for (const [at, service] of stacks.entries()) {
      const known = costs[at]!;
      const cost = better(service, known);
      // The first rounds compile.
      costs[at] = round < 3 ? known : cost;
    }
  }
  return outboundLayers.map(([layer], at) => ({
    layer,
    nsPerCall: Math.round(costs[at + 1]!.ns - costs[at]!.ns),
    bytesPerCall: Math.round(costs[at + 1]!.bytes - costs[at]!.bytes),
  }));
}

if (import.meta.main) {
  const flag = { type: "boolean", default: false } as const;
  const values = readFlags("bench:layers", { json: flag, write: flag });
  const rows = await measureLayers();
  const totals = { nsPerCall: sum(rows, "nsPerCall"), bytesPerCall: sum(rows, "bytesPerCall") };
  const lines = [...rows, { layer: "all", ...totals }];
  if (values.write) {
    const cells = lines.map(({ layer, nsPerCall, bytesPerCall }) => `| ${layer} | ${nsPerCall} | ${bytesPerCall} |`);
    const table = ["| layer | ns a call | octets a call |", "|---|---:|---:|", ...cells].join("\n");
    const how =
      "The layers of the way out as `sidecar/outbound/stack.ts` lists them, each with what it adds to a unary call " +
      "that goes well: no sockets, frames or header blocks. Octets are of V8's heap.";
    writePart("bench:layers", `${madeBy("bench:layers", process.argv.slice(2))}\n\n${how}\n\n${table}`);
  }
  if (values.json) console.log(resultLine("bench:layers", true, { machine: thisMachine(), rows, totals }));
  else
    for (const { layer, nsPerCall, bytesPerCall } of lines) {
      console.log(`${layer.padEnd(14)} ${String(nsPerCall).padStart(6)} ns ${String(bytesPerCall).padStart(6)} octets`);
    }
}

function sum(rows: readonly LayerCost[], key: "nsPerCall" | "bytesPerCall"): number {
  return rows.reduce((total, row) => total + row[key], 0);
}
