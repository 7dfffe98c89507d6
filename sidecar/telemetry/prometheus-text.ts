// Metrics in Prometheus' text form, version 0.0.4. Pure.
// (https://prometheus.io/docs/instrumenting/exposition_formats/)

import type { FamilySnapshot, Sample } from "./metric-snapshot.ts";

export const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

export function prometheusText(families: readonly FamilySnapshot[]): string {
  const lines: string[] = [];
  for (const family of families) {
    const { name, help, kind } = family;
    lines.push(`# HELP ${name} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}`, `# TYPE ${name} ${kind}`);
    for (const sample of family.samples) {
      if (kind === "histogram") pushHistogram(lines, family, sample);
      else lines.push(`${name}${labelText(family.labelNames, sample.labels)} ${numberText(sample.value)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function pushHistogram(lines: string[], family: FamilySnapshot, sample: Sample): void {
  const { name, labelNames, bounds } = family;
  const withLe = [...labelNames, "le"];
  let count = 0;
  sample.counts.forEach((inBucket, i) => {
    count += inBucket;
    const le = i < bounds.length ? numberText(bounds[i]!) : "+Inf";
    lines.push(`${name}_bucket${labelText(withLe, [...sample.labels, le])} ${count}`);
  });
  const labels = labelText(labelNames, sample.labels);
  lines.push(`${name}_sum${labels} ${numberText(sample.value)}`, `${name}_count${labels} ${count}`);
}

function labelText(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return "";
  return `{${names.map((name, i) => `${name}="${escapeLabel(values[i] ?? "")}"`).join(",")}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`));
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}
