import { expect, test } from "vitest";
import { seededRandom } from "../../common/random.ts";
import { TestingClock } from "../../common/testing-clock.ts";
import type { EndpointCall, Outcome, Reply, RoutedCall } from "../call.ts";
import { type BodySink, type BodySource, emptyBody } from "../http2/body.ts";
import { HeaderField } from "../http2/header-field.ts";
import { PendingReply } from "../pending-reply.ts";
import { ReceivedCall } from "../received-call.ts";
import { EndpointStates } from "../resilience/endpoint-states.ts";
import { resolveRoute } from "../routing/route-table.ts";
import { endpointOf, quoterSnapshot } from "../routing/testing-chain.ts";
import type { Service } from "../stack.ts";
import { sendMirrored } from "./send-mirrored.ts";
import { Upstreams } from "./upstreams.ts";

const getQuote = "/quoter.query.v1.QuoteQueryService/GetQuote";
const target = { name: "quoter", service: "quoter", subset: "", percent: 100 };

/** A reply of a given length from a sender with a window: it sends no more than it was granted. */
class WindowedReply implements Reply, BodySource {
  readonly fields = [new HeaderField(":status", "200")];
  readonly endsWithHead = false;
  grantedBytes = 0;
  #window: number;
  #leftBytes: number;
  #sink: BodySink | undefined = undefined;
  #listeners: ((outcome: Outcome) => void)[] = [];
  #outcome: Outcome | undefined = undefined;

  constructor(bytes: number, windowBytes: number) {
    this.#leftBytes = bytes;
    this.#window = windowBytes;
  }

  get body(): BodySource {
    return this;
  }

  onEnd(listener: (outcome: Outcome) => void): void {
    if (this.#outcome !== undefined) listener(this.#outcome);
    else this.#listeners.push(listener);
  }

  attach(sink: BodySink): void {
    this.#sink = sink;
    this.#push();
  }

  grant(bytes: number): void {
    this.grantedBytes += bytes;
    this.#window += bytes;
    queueMicrotask(() => this.#push());
  }

  cancel(): void {}

  #push(): void {
    const bytes = Math.min(this.#window, this.#leftBytes);
    if (bytes === 0) return;
    this.#window -= bytes;
    this.#leftBytes -= bytes;
    this.#sink?.data(Buffer.alloc(bytes), false);
    if (this.#leftBytes > 0) return;
    this.#sink?.trailers([]);
    this.#outcome = { status: 0, httpStatus: 200, failure: undefined };
    for (const listener of this.#listeners) listener(this.#outcome);
  }
}

function scene(dial: Service<EndpointCall>, queries = [endpointOf("quote-query-1", "v1")]) {
  const clock = new TestingClock();
  const random = seededRandom(5);
  const upstreams = new Upstreams({ clock, states: new EndpointStates(), want: () => {} });
  upstreams.apply(quoterSnapshot({ instances: new Map([["quote-query", queries]]) }));
  const call = new ReceivedCall(
    { fields: [new HeaderField(":path", getQuote)], body: emptyBody, endsWithHead: true, peer: undefined },
    { nowMs: () => clock.nowMs(), randomHex: (bytes) => "1".repeat(bytes * 2), sampleNew: () => true },
  );
  const decision = resolveRoute(upstreams.table("quoter")!, getQuote, call.fields, () => 0)!;
  const rest = { deadlineAtMs: Number.POSITIVE_INFINITY, body: call.body, attempt: 1, tried: [], cancel: undefined };
  const routed: RoutedCall = { call, ...decision, ...rest };
  return { clock, send: () => sendMirrored({ clock, random, upstreams, dial })(routed, target, undefined) };
}

test("a reply is read to its end, every byte of it granted", async () => {
  const reply = new WindowedReply(1_000_000, 65_535);
  const { clock, send } = scene(() => PendingReply.withReply(reply));
  expect(await send()).toBe("ok");
  expect(reply.grantedBytes).toBe(1_000_000);
  expect(clock.pendingTimers).toBe(0);
});

test("copies spread over the healthy instances by weight: 3 to 1 of 4,000 to within 3 points", async () => {
  const counts = new Map<string, number>();
  const { send } = scene(
    ({ endpoint }) => {
      counts.set(endpoint.id, (counts.get(endpoint.id) ?? 0) + 1);
      return PendingReply.withReply(new WindowedReply(1, 1));
    },
    [
      endpointOf("quote-query-1", "v1", { weight: 3 }),
      endpointOf("quote-query-2", "v1"),
      endpointOf("quote-query-3", "v1", { health: "critical" }),
      endpointOf("quote-query-4", "v2", { weight: 0 }),
    ],
  );
  let none = 0;
  for (let i = 0; i < 4_000; i++) if ((await send()) === "no_endpoint") none++;
  const heavy = counts.get("quote-query-1")!;
  const light = counts.get("quote-query-2")!;
  expect([...counts.keys()].sort()).toEqual(["quote-query-1", "quote-query-2"]);
  expect(Math.abs(heavy / (heavy + light) - 0.75)).toBeLessThan(0.03);
  // A tenth goes to v2, which has no instance that may be called.
  expect(Math.abs(none / 4_000 - 0.1)).toBeLessThan(0.03);
});
