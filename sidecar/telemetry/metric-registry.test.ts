import { describe, expect, test } from "vitest";
import { MetricRegistry } from "./metric-registry.ts";
import { mergeSnapshots, totalsOf } from "./metric-snapshot.ts";
import { prometheusText } from "./prometheus-text.ts";

function filled(): MetricRegistry {
  const registry = new MetricRegistry();
  const calls = registry.counter({ name: "calls_total", help: "Calls.\nAll of them.", labels: ["path", "status"] });
  calls.child("/a\\b", 'say "hi"\n').value += 3;
  const seconds = registry.histogram({ name: "call_seconds", help: "Time.", labels: ["path"] }, [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) seconds.child("/a").observe(value);
  registry.gauge({ name: "open", help: "Open now.", labels: [] }, () => [{ labels: [], value: 4 }]);
  return registry;
}

describe("the registry", () => {
  test("writes Prometheus' text form, escaped, buckets cumulative and bounds inclusive", () => {
    expect(prometheusText(filled().snapshot())).toBe(
      [
        "# HELP calls_total Calls.\\nAll of them.",
        "# TYPE calls_total counter",
        'calls_total{path="/a\\\\b",status="say \\"hi\\"\\n"} 3',
        "# HELP call_seconds Time.",
        "# TYPE call_seconds histogram",
        'call_seconds_bucket{path="/a",le="0.1"} 2',
        'call_seconds_bucket{path="/a",le="1"} 3',
        'call_seconds_bucket{path="/a",le="+Inf"} 4',
        'call_seconds_sum{path="/a"} 7.65',
        'call_seconds_count{path="/a"} 4',
        "# HELP open Open now.",
        "# TYPE open gauge",
        "open 4",
        "",
      ].join("\n"),
    );
  });

  test("gives the same child for the same labels", () => {
    const family = new MetricRegistry().counter({ name: "x", help: "", labels: ["a", "b"] });
    expect(family.child("1", "2")).toBe(family.child("1", "2"));
    expect(family.child("1", "2")).not.toBe(family.child("12", ""));
    expect(() => family.child("1")).toThrow("1 labels given, it has 2");
  });

  test("counts what is past 2,000 label sets under other", () => {
    const registry = new MetricRegistry();
    const family = registry.counter({ name: "x", help: "", labels: ["a"] });
    for (let i = 0; i < 3_000; i++) family.child(`p${i}`).value++;
    const samples = registry.snapshot()[0]!.samples;
    expect(samples).toHaveLength(2_001);
    expect(samples.find(({ labels }) => labels[0] === "other")?.value).toBe(1_000);
  });

  test("refuses a name twice", () => {
    const registry = filled();
    expect(() => registry.counter({ name: "open", help: "", labels: [] })).toThrow("open is defined twice");
  });

  test("snapshots are plain data, and those of several workers add up", () => {
    const one = structuredClone(filled().snapshot());
    const other = filled();
    other.counter({ name: "extra_total", help: "", labels: [] }).child().value = 1;
    const merged = mergeSnapshots([one, structuredClone(other.snapshot())]);
    const text = prometheusText(merged);
    expect(text).toContain('status="say \\"hi\\"\\n"} 6');
    expect(text).toContain('call_seconds_bucket{path="/a",le="1"} 6');
    expect(text).toContain('call_seconds_count{path="/a"} 8');
    expect(text).toContain("open 8");
    expect(text).toContain("extra_total 1");
  });

  test("a gauge with a rule of its own is the greatest or the least of the workers", () => {
    const worker = (late: number, startedAt: number) => {
      const registry = new MetricRegistry();
      const single = (value: number) => () => [{ labels: [], value }];
      registry.gauge({ name: "late", help: "", labels: [], merge: "max" }, single(late));
      registry.gauge({ name: "started", help: "", labels: [], merge: "min" }, single(startedAt));
      return registry.snapshot();
    };
    const text = prometheusText(mergeSnapshots([worker(1, 20), worker(5, 10), worker(3, 30)]));
    expect(text).toContain("late 5\n");
    expect(text).toContain("started 10\n");
  });

  test("totals leave gauges out, and do not read them", () => {
    const registry = filled();
    registry.gauge({ name: "sampled", help: "", labels: [] }, () => {
      throw new Error("read");
    });
    registry.gauge({ name: "spent_total", help: "", labels: [] }, () => [{ labels: [], value: 2 }], "counter");
    expect(registry.totals().map(({ name }) => name)).toEqual(["calls_total", "call_seconds", "spent_total"]);
    expect(totalsOf(filled().snapshot()).map(({ name }) => name)).toEqual(["calls_total", "call_seconds"]);
  });
});
