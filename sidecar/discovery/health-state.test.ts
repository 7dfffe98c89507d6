import { describe, expect, test } from "vitest";
import { initialHealth, nextHealth, type ProbeResult } from "./health-state.ts";

const serving: ProbeResult = { kind: "serving" };
const failed: ProbeResult = { kind: "failed", detail: "no answer" };
const refused: ProbeResult = { kind: "refused", detail: "refused" };
const notServing: ProbeResult = { kind: "not_serving", detail: "NOT_SERVING" };

function healthAfter(...probes: ProbeResult[]): string[] {
  let state = initialHealth;
  return probes.map((probe) => {
    state = nextHealth(state, probe);
    return state.health;
  });
}

describe("nextHealth", () => {
  test("an application is critical until one check succeeds", () => {
    expect(initialHealth.health).toBe("critical");
    expect(healthAfter(failed, failed, serving)).toEqual(["critical", "critical", "passing"]);
  });

  test("a server without the health service is healthy because it answers", () => {
    expect(healthAfter({ kind: "unimplemented" })).toEqual(["passing"]);
  });

  test("one failure is forgiven, the second in a row is not, and a success in between starts the count again", () => {
    expect(healthAfter(serving, failed, serving, failed, failed, serving)).toEqual([
      ...["passing", "passing", "passing", "passing", "critical", "passing"],
    ]);
  });

  test("NOT_SERVING and a refused connection are believed at once", () => {
    expect(healthAfter(serving, notServing)).toEqual(["passing", "critical"]);
    expect(healthAfter(serving, refused)).toEqual(["passing", "critical"]);
  });

  test("the note says why, and is empty while it passes", () => {
    const critical = nextHealth(nextHealth(initialHealth, serving), notServing);
    expect(critical.note).toBe("NOT_SERVING");
    expect(nextHealth(critical, serving).note).toBe("");
  });

  test("an unchanged state is the same object", () => {
    const passing = nextHealth(initialHealth, serving);
    expect(nextHealth(passing, serving)).toBe(passing);
  });
});
