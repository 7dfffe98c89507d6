import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatGrpcTimeout, parseGrpcTimeout } from "./timeout.ts";

describe("grpc-timeout", () => {
  test("every unit of the specification is read", () => {
    expect(parseGrpcTimeout("1H")).toBe(3_600_000);
    expect(parseGrpcTimeout("2M")).toBe(120_000);
    expect(parseGrpcTimeout("3S")).toBe(3000);
    expect(parseGrpcTimeout("250m")).toBe(250);
    expect(parseGrpcTimeout("1500u")).toBe(1.5);
    expect(parseGrpcTimeout("99999999n")).toBeCloseTo(99.999999);
    expect(parseGrpcTimeout("0m")).toBe(0);
    expect(parseGrpcTimeout("00000001S")).toBe(1000);
  });

  test.each(["", "m", "5", "123456789m", "-1m", "+1m", "1.5S", " 1S", "1S ", "1s", "1h", "1d", "1ms", "１S"])(
    "%j is malformed",
    (text) => {
      expect(parseGrpcTimeout(text)).toBeUndefined();
    },
  );

  test("what is written is well-formed and never gives more time than is left", () => {
    const remaining = fc.double({ min: 1e-6, max: 1e15, noNaN: true });
    fc.assert(
      fc.property(remaining, (ms) => {
        const text = formatGrpcTimeout(ms);
        const parsed = parseGrpcTimeout(text);
        expect(text).toMatch(/^[0-9]{1,8}[HMSmun]$/);
        expect(parsed).toBeDefined();
        // One part in 10^15 is the rounding of a double, not ours.
        expect(parsed!).toBeLessThanOrEqual(ms * (1 + 1e-15));
        if (ms >= 1 && ms < 1e8) expect(parsed!).toBeGreaterThan(ms * 0.99);
      }),
      { numRuns: 2000 },
    );
  });

  test("a deadline that has passed is still written as one unit", () => {
    for (const ms of [0, -5, 1e-9, Number.NEGATIVE_INFINITY]) expect(formatGrpcTimeout(ms)).toBe("1n");
  });

  test("more than the wire can say becomes the most that it can say", () => {
    expect(formatGrpcTimeout(Number.POSITIVE_INFINITY)).toBe("99999999H");
    expect(formatGrpcTimeout(1e300)).toBe("99999999H");
  });

  test("common deadlines stay readable", () => {
    expect(formatGrpcTimeout(50)).toBe("50000u");
    expect(formatGrpcTimeout(30_000)).toBe("30000000u");
    expect(formatGrpcTimeout(100_000)).toBe("100000m");
  });
});
