// One SubmitQuote as Jaeger keeps it: fetched until it is whole, every span where it belongs. Called by the journey.

import { eventually } from "../testing/eventually.ts";
import { command } from "../testing/quoter-services.ts";

export interface JaegerTrace {
  readonly traceId: string;
  /** As `gateway: quoter.command.v1.QuoteCommandService/SubmitQuote`, parents before their children. */
  readonly spans: readonly string[];
}

interface Span {
  readonly id: string;
  readonly parentId: string;
  readonly name: string;
}

const submit = `${command}/SubmitQuote`;
const handler = `quote-command: ${submit}`;

/** What each span of the command must hang on; "" is the span of the caller, who exports none. */
const expected: readonly { readonly name: string; readonly parent: string }[] = [
  { name: `gateway: ${submit}`, parent: "" },
  { name: `quote-command sidecar: ${submit}`, parent: `gateway: ${submit}` },
  { name: handler, parent: `quote-command sidecar: ${submit}` },
  { name: "quote-command: append quote", parent: handler },
  { name: "quote-projector: project quotes-v1", parent: handler },
  { name: "quote-projector: project quotes-v2", parent: handler },
];

/** Exporters send every few seconds, and three processes have to. */
const wholeWithinMs = 45_000;

/**
 * Asks Jaeger at `jaeger` (`http://host:port`) until the trace is whole. `callerSpanId` is what the call was sent with.
 * Rejects with the spans that are missing or hang elsewhere.
 */
export function wholeTrace(jaeger: string, traceId: string, callerSpanId: string): Promise<JaegerTrace> {
  return eventually(`the trace ${traceId} is whole in Jaeger at ${jaeger}`, wholeWithinMs, async () => {
    const spans = await fetchSpans(jaeger, traceId);
    const wrong = expected.filter(
      ({ name, parent }) =>
        !spans.some((span) => span.name === name && nameOf(spans, span.parentId, callerSpanId) === parent),
    );
    if (wrong.length > 0) {
      const missing = wrong.map(
        ({ name, parent }) => `"${name}" below ${parent === "" ? "the caller" : `"${parent}"`}`,
      );
      const have = spans.map(({ name, parentId }) => `"${name}" below "${nameOf(spans, parentId, callerSpanId)}"`);
      throw new Error(`missing ${missing.join(", ")}; there are ${have.join(", ") || "none"}`);
    }
    const loose = spans.filter(({ parentId }) => nameOf(spans, parentId, callerSpanId) === undefined);
    if (loose.length > 0) throw new Error(`without a parent in the trace: ${loose.map(({ name }) => name).join(", ")}`);
    return { traceId, spans: inOrder(spans, callerSpanId) };
  });
}

function nameOf(spans: readonly Span[], id: string, callerSpanId: string): string | undefined {
  return id === callerSpanId ? "" : spans.find((span) => span.id === id)?.name;
}

function inOrder(spans: readonly Span[], parentId: string): string[] {
  const own = spans.filter((span) => span.parentId === parentId).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return own.flatMap(({ id, name }) => [name, ...inOrder(spans, id)]);
}

interface JaegerAnswer {
  readonly data?: readonly {
    readonly spans: readonly {
      readonly spanID: string;
      readonly operationName: string;
      readonly processID: string;
      readonly references: readonly { readonly refType: string; readonly spanID: string }[];
    }[];
    readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
  }[];
}

/** Empty while Jaeger does not know the trace. */
async function fetchSpans(jaeger: string, traceId: string): Promise<readonly Span[]> {
  const reply = await fetch(`${jaeger}/api/traces/${traceId}`, { signal: AbortSignal.timeout(5000) });
  if (reply.status === 404) return [];
  if (!reply.ok) throw new Error(`Jaeger answers ${reply.status}: ${(await reply.text()).slice(0, 200)}`);
  const { data = [] } = (await reply.json()) as JaegerAnswer;
  return data.flatMap(({ spans, processes }) =>
    spans.map(({ spanID: id, operationName, processID, references }) => ({
      id,
      parentId: references.find(({ refType }) => refType === "CHILD_OF")?.spanID ?? "none",
      name: `${processes[processID]?.serviceName}: ${operationName}`,
    })),
  );
}
