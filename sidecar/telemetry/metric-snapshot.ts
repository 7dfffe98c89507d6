// Metrics as plain data: what a registry holds at one moment. It survives structuredClone, so that workers can send
// theirs to the control part, which merges them and shows one sidecar. Pure.

export type MetricKind = "counter" | "gauge" | "histogram";

/**
 * What the values of several processes make together. Most add up; a quantile, or a count of things that all of them
 * see, does not: the greatest counts, or the least.
 */
export type MergeRule = "sum" | "max" | "min";

export interface FamilySnapshot {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  readonly merge: MergeRule;
  readonly labelNames: readonly string[];
  /** Upper bounds of a histogram's buckets, ascending, without +Inf; empty for the other kinds. */
  readonly bounds: readonly number[];
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** In the order of labelNames. */
  readonly labels: readonly string[];
  /** Of a histogram: the sum of what was observed. */
  readonly value: number;
  /** Of a histogram: observations per bucket, not cumulative; one more than there are bounds. */
  readonly counts: readonly number[];
}

/** Several processes' families as one process's, by name and labels, each by its rule. */
export function mergeSnapshots(parts: readonly (readonly FamilySnapshot[])[]): readonly FamilySnapshot[] {
  if (parts.length === 1) return parts[0]!;
  const families = new Map<string, { family: FamilySnapshot; samples: Map<string, Sample> }>();
  for (const family of parts.flat()) {
    const merged = families.get(family.name) ?? { family, samples: new Map<string, Sample>() };
    families.set(family.name, merged);
    for (const sample of family.samples) {
      const key = sample.labels.join("\u0000");
      merged.samples.set(key, join(merged.samples.get(key), sample, family.merge));
    }
  }
  return [...families.values()].map(({ family, samples }) => ({ ...family, samples: [...samples.values()] }));
}

/** What a process that is gone leaves behind: totals stay, what it held is no more. */
export function totalsOf(families: readonly FamilySnapshot[]): readonly FamilySnapshot[] {
  return families.filter(({ kind }) => kind !== "gauge");
}

function join(a: Sample | undefined, b: Sample, rule: MergeRule): Sample {
  if (a === undefined) return b;
  if (rule !== "sum") return { ...a, value: Math[rule](a.value, b.value) };
  const counts = a.counts.map((count, i) => count + (b.counts[i] ?? 0));
  return { labels: a.labels, value: a.value + b.value, counts };
}
