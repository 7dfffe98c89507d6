// The sidecar's metrics. A label set is resolved once to a child object that the caller keeps; counting then is a
// property add, and observing a search among 15 bounds. Read out as plain data (metric-snapshot.ts), so that workers'
// metrics merge, and written as Prometheus text by prometheus-text.ts.
//
// Why not prom-client: every inc() and observe() there hashes its labels, 120-160 ns each as measured, and a call does
// six of them, which would be a tenth of the time that a call may take; this is 150 lines and 2-10 ns.
// Hot: Counter.value and Histogram.observe are touched several times per call (bench/micro/metrics.ts).

import type { FamilySnapshot, MergeRule, MetricKind, Sample } from "./metric-snapshot.ts";

export interface Counter {
  /** Only ever goes up: `counter.value += 1`. */
  value: number;
}

export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= bounds[middle]!) high = middle;
      else low = middle + 1;
    }
    this.#counts[low]!++;
    this.#sum += value;
  }

  read(labels: readonly string[]): Sample {
    return { labels, value: this.#sum, counts: [...this.#counts] };
  }
}

/** All children of one metric. */
export interface Family<Child> {
  /** The child for these label values, in the order of the family's names; the same object every time. Keep it. */
  child(...labels: readonly string[]): Child;
}

/** A value that is read when metrics are asked for. */
export interface GaugeReading {
  readonly labels: readonly string[];
  readonly value: number;
}

export interface Description {
  /** As `ferry_calls_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** What the values of several workers make together; default: their sum. */
  readonly merge?: MergeRule;
}

/** A family that would grow past this counts further label sets as one whose labels are all `other`. */
const maxChildren = 2_000;

export class MetricRegistry {
  readonly #families = new Map<string, { readonly kind: MetricKind; read(): FamilySnapshot }>();

  counter(description: Description): Family<Counter> {
    const children = new Children(description, (): Counter => ({ value: 0 }));
    this.#add(description, "counter", () => children.samples(({ value }, labels) => ({ labels, value, counts: [] })));
    return children;
  }

  /** `bounds`: upper bounds of the buckets, ascending, without +Inf. */
  histogram(description: Description, bounds: readonly number[]): Family<Histogram> {
    const children = new Children(description, () => new Histogram(bounds));
    this.#add(description, "histogram", () => children.samples((child, labels) => child.read(labels)), bounds);
    return children;
  }

  /** `read` runs at every reading, never in between. `kind` counter: for totals that something else counts. */
  gauge(description: Description, read: () => readonly GaugeReading[], kind: "gauge" | "counter" = "gauge"): void {
    this.#add(description, kind, () => read().map(({ labels, value }) => ({ labels, value, counts: [] })));
  }

  snapshot(): readonly FamilySnapshot[] {
    return [...this.#families.values()].map(({ read }) => read());
  }

  /** Without gauges, which are not read: reading some of them begins a new span of time. */
  totals(): readonly FamilySnapshot[] {
    return [...this.#families.values()].filter(({ kind }) => kind !== "gauge").map(({ read }) => read());
  }

  #add(description: Description, kind: MetricKind, samples: () => readonly Sample[], bounds: readonly number[] = []) {
    const { name, help, labels: labelNames, merge = "sum" } = description;
    if (this.#families.has(name)) throw new Error(`metric ${name} is defined twice`);
    const read = () => ({ name, help, kind, merge, labelNames, bounds, samples: samples() });
    this.#families.set(name, { kind, read });
  }
}

class Children<Child> implements Family<Child> {
  readonly #description: Description;
  readonly #make: () => Child;
  readonly #children = new Map<string, { readonly labels: readonly string[]; readonly child: Child }>();

  constructor(description: Description, make: () => Child) {
    this.#description = description;
    this.#make = make;
  }

  child(...labels: readonly string[]): Child {
    const { name, labels: labelNames } = this.#description;
    if (labels.length !== labelNames.length) {
      throw new Error(`metric ${name}: ${labels.length} labels given, it has ${labelNames.length}`);
    }
    const known = this.#children.get(labels.join("\u0000"));
    if (known !== undefined) return known.child;
    const isFull = this.#children.size >= maxChildren && labels.some((label) => label !== "other");
    if (isFull) return this.child(...labels.map(() => "other"));
    const child = this.#make();
    this.#children.set(labels.join("\u0000"), { labels, child });
    return child;
  }

  samples(read: (child: Child, labels: readonly string[]) => Sample): readonly Sample[] {
    return [...this.#children.values()].map(({ labels, child }) => read(child, labels));
  }
}
