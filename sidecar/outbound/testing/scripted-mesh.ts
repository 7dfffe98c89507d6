// The real outbound stack with a clock that stands still and endpoints that answer by script: what the stack tests run
// on. An endpoint's script is a list of answers, one for each request that reaches it; the last one repeats.

import { seededRandom } from "../../../common/random.ts";
import { TestingClock } from "../../../common/testing-clock.ts";
import type { Call, Outcome, Reply } from "../../call.ts";
import type { DecisionKind } from "../../decision.ts";
import type { Endpoint } from "../../discovery/registry.ts";
import type { BodySink, BodySource } from "../../http2/body.ts";
import type { ReplyListener } from "../../http2/client.ts";
import { ErrorCode, StreamError } from "../../http2/error-code.ts";
import { fieldValue, HeaderField, type HeaderFields } from "../../http2/header-field.ts";
import type { RequestSender } from "../../http2/request-sender.ts";
import type { PendingReply } from "../../pending-reply.ts";
import { ReceivedCall } from "../../received-call.ts";
import { EndpointStates } from "../../resilience/endpoint-states.ts";
import type { AdmissionChange } from "../../resilience/gate.ts";
import { MirrorPlaces } from "../../resilience/mirror-places.ts";
import { TriedTraces } from "../../resilience/tried-traces.ts";
import type { LoadBalancer } from "../../routing/discovery-chain.ts";
import { type CallPolicy, defaultCallPolicy } from "../../routing/policy/call-policy.ts";
import type { MethodTraits, Snapshot } from "../../routing/snapshot.ts";
import type { Service } from "../../stack.ts";
import type { Recorder } from "../../telemetry/record.ts";
import { outboundStack } from "../stack.ts";
import { Upstreams } from "../upstreams.ts";
import { type Answer, ScriptedExchange } from "./scripted-exchange.ts";

// With the mesh, because every test of it writes answers.
export type { Answer };

export interface Sent {
  readonly endpoint: string;
  readonly atMs: number;
  readonly fields: HeaderFields;
  readonly cancelled: boolean;
  readonly body: string;
}

export interface CallResult {
  readonly status: string | undefined;
  readonly failure: string | undefined;
  readonly attempts: string | undefined;
  readonly message: string;
  readonly details: string;
}

export interface StartedCall {
  readonly call: ReceivedCall;
  /** The reply, when its header has gone out. */
  readonly head: PendingReply;
  readonly result: Promise<CallResult>;
}

/** What differs from the default policy, topic by topic. */
export type PolicyChanges = { readonly [K in keyof CallPolicy]?: Partial<CallPolicy[K]> };

function changedPolicy(changes: PolicyChanges = {}): CallPolicy {
  const topics = Object.entries(defaultCallPolicy).map(([topic, values]) => [
    topic,
    { ...values, ...changes[topic as keyof CallPolicy] },
  ]);
  // Retries wait a random time: where a test does not say how long, none, so that it need not move the clock.
  const { retry } = changes;
  const isTimed = retry?.baseMs !== undefined || retry?.maxMs !== undefined || retry?.schedule !== undefined;
  const policy: CallPolicy = Object.fromEntries(topics);
  return isTimed ? policy : { ...policy, retry: { ...policy.retry, baseMs: 0 } };
}

export interface ServeOptions {
  /** What is known of method /s/M; default: nothing. */
  readonly traits?: MethodTraits;
  readonly policy?: PolicyChanges;
  /** Default: round_robin, so that tests know where the next call goes. `{}` is a resolver that names no policy. */
  readonly loadBalancer?: LoadBalancer;
  /** By endpoint id; default: 1. */
  readonly weights?: Readonly<Record<string, number>>;
  /** By endpoint id; default: passing. */
  readonly health?: Readonly<Record<string, Endpoint["health"]>>;
  /** Ids of endpoints that belong to a failover target instead of the first. */
  readonly failover?: readonly string[];
  /** What is known of other methods, by path. */
  readonly methods?: Readonly<Record<string, MethodTraits>>;
}

export class ScriptedMesh implements RequestSender {
  readonly clock = new TestingClock();
  readonly upstreams: Upstreams;
  readonly states = new EndpointStates();
  readonly sent: { endpoint: string; atMs: number; fields: HeaderFields; cancelled: boolean; body: string }[] = [];
  readonly outcomes: Outcome[] = [];
  /** More who are told of each call's end. */
  readonly recorders: Recorder[] = [];
  /** What was noted about calls that have ended. */
  readonly decisions: DecisionKind[] = [];
  readonly changes: string[] = [];
  /** What became of mirrored copies, as `quote-query/v2 ok`. */
  readonly mirrored: string[] = [];
  /** Upstreams that were asked for. */
  readonly wanted: string[] = [];
  /** The changes with method and reason. */
  readonly admissions: ({ readonly endpoint: string } & AdmissionChange)[] = [];
  /** Added to every answer's time; for simulations, which draw it from a distribution. */
  delayMs: (endpoint: string) => number = () => 0;
  readonly #scripts = new Map<string, Answer[]>();
  readonly #service: Service<Call>;
  #ids = 0;

  /** `traces`: shared with a way in. */
  constructor(traces = new TriedTraces()) {
    const random = seededRandom(7);
    this.upstreams = new Upstreams({
      clock: this.clock,
      states: this.states,
      want: (upstream) => this.wanted.push(upstream),
    });
    this.#service = outboundStack(
      { maxCallsInFlight: 1_000, maxReplayBytes: 1_024 },
      {
        clock: this.clock,
        random,
        upstreams: this.upstreams,
        states: this.states,
        traces,
        sender: this,
        mirroring: {
          sender: this,
          places: new MirrorPlaces(),
          onMirrored: (_, target, result) => this.mirrored.push(`${target.name} ${result}`),
        },
        recorders: [
          (ended) => {
            this.outcomes.push(ended.outcome);
            this.decisions.push(...(ended.call.notes.decisions ?? []).map(({ kind }) => kind));
            for (const recorder of this.recorders) recorder(ended);
          },
        ],
        upstreamOf: (call) => call.authority || undefined,
        onRetry: () => {},
        onAdmissionChange: ({ endpoint }, change) => {
          this.changes.push(`${endpoint.id} ${change.state}`);
          this.admissions.push({ endpoint: endpoint.id, ...change });
        },
        reportDefect: (error) => {
          throw error;
        },
      },
    );
  }

  /** Puts upstream `s` in force: the endpoints by id, each with its script; `a/s/N`: what `a` answers to /s/N. */
  serve(scripts: Record<string, Answer[]>, options: ServeOptions = {}) {
    const failover = options.failover ?? [];
    const ids = Object.keys(scripts).filter((key) => !key.includes("/"));
    const endpoints: Endpoint[] = ids.map((id, index) => ({
      id,
      service: "s",
      version: "v1",
      host: id,
      port: 1_000 + index,
      weight: options.weights?.[id] ?? 1,
      health: options.health?.[id] ?? "passing",
      meta: {},
    }));
    for (const [id, answers] of Object.entries(scripts)) this.#scripts.set(id, [...answers]);
    const snapshot: Snapshot = {
      upstream: "s",
      revision: 1,
      chain: {
        ServiceName: "s",
        Protocol: "grpc",
        StartNode: "resolver:s",
        Nodes: {
          "resolver:s": {
            ...{ Type: "resolver", Name: "s" },
            Resolver: { Target: "s", ...(failover.length > 0 && { Failover: { Targets: ["f"] } }) },
            LoadBalancer: options.loadBalancer ?? { Policy: "round_robin" },
          },
        },
        Targets: { s: { ID: "s", Service: "s" }, f: { ID: "f", Service: "f" } },
      },
      endpoints: {
        s: endpoints.filter(({ id }) => !failover.includes(id)),
        f: endpoints.filter(({ id }) => failover.includes(id)),
      },
      methods: { ...(options.traits !== undefined && { "/s/M": options.traits }), ...options.methods },
      policies: { s: { all: changedPolicy(options.policy), methods: [], origins: {} } },
    };
    this.upstreams.apply(snapshot);
  }

  /** What an endpoint of a snapshot that was put in force by hand answers. */
  script(id: string, answers: readonly Answer[]): void {
    this.#scripts.set(id, [...answers]);
  }

  /** Begins a call of /s/M, by default with body `hello`. */
  start(header: Record<string, string> = {}, body: BodySource = textBody("hello")): StartedCall {
    const { call, head } = this.startUnread(header, body);
    return { call, head, result: head.then(readReply) };
  }

  /** The same, but the reply's body is left to the test. */
  startUnread(header: Record<string, string> = {}, body: BodySource = textBody("hello")) {
    const all = {
      ":method": "POST",
      ":path": "/s/M",
      ":authority": "s",
      "content-type": "application/grpc",
      ...header,
    };
    const fields = Object.entries(all).map(([name, value]) => new HeaderField(name, value));
    const call = new ReceivedCall(
      { fields, body, endsWithHead: false, peer: undefined },
      {
        nowMs: () => this.clock.nowMs(),
        randomHex: (bytes) => String(++this.#ids).padStart(bytes * 2, "0"),
        sampleNew: () => false,
      },
    );
    return { call, head: this.#service(call) };
  }

  call(header: Record<string, string> = {}): Promise<CallResult> {
    return this.start(header).result;
  }

  request(
    host: string,
    _port: number,
    _connectTimeoutMs: number,
    fields: HeaderFields,
    body: BodySource | undefined,
    listener: ReplyListener,
  ) {
    const sent = { endpoint: host, atMs: this.clock.nowMs(), fields, cancelled: false, body: "" };
    this.sent.push(sent);
    const script = this.#scripts.get(host + fieldValue(fields, ":path")) ?? this.#scripts.get(host) ?? [];
    const answer = script.length > 1 ? script.shift()! : script[0]!;
    const isSent = answer.kind !== "refuse_connection";
    if (isSent) body?.attach(collector(sent));
    const exchange = new ScriptedExchange(listener);
    const afterMs = this.delayMs(host) + (answer.kind === "later" ? answer.afterMs : 0);
    const played = answer.kind === "later" ? answer.answer : answer;
    const play = () => {
      exchange.play(played);
      if (played.kind === "early_head") this.clock.after(played.afterMs, () => exchange.play(played.answer));
    };
    if (afterMs > 0) this.clock.after(afterMs, play);
    else queueMicrotask(play);
    return {
      cancel: () => {
        sent.cancelled = true;
        exchange.fail(new StreamError(ErrorCode.CANCEL, "us", "cancelled"));
      },
    };
  }
}

function textBody(text: string): BodySource {
  return { attach: (sink) => sink.data(Buffer.from(text), true), grant: () => {}, cancel: () => {} };
}

function collector(sent: { body: string }): BodySink {
  return {
    data: (chunk) => {
      sent.body += chunk.toString();
    },
    trailers: () => {},
    abort: () => {},
  };
}

function readReply(reply: Reply): Promise<CallResult> {
  const attempts = fieldValue(reply.fields, "x-ferry-attempts");
  let message = "";
  const result = (fields: HeaderFields): CallResult => ({
    status: fieldValue(fields, "grpc-status"),
    failure: fieldValue(fields, "x-ferry-failure"),
    attempts,
    message,
    details: decodeURIComponent(fieldValue(fields, "grpc-message") ?? ""),
  });
  if (reply.endsWithHead) return Promise.resolve(result(reply.fields));
  return new Promise((resolve, reject) => {
    reply.body.attach({
      data: (chunk, end) => {
        message += chunk.toString();
        if (end) resolve(result(reply.fields));
      },
      trailers: (fields) => resolve(result(fields)),
      abort: reject,
    });
  });
}
