import { describe, expect, test } from "vitest";
import { readProxyOptions } from "./proxy-options.ts";

const contenders = (...args: readonly string[]) => {
  const options = readProxyOptions(args);
  if (typeof options === "string") throw new Error(options);
  return options.contenders.map(({ profile, peer }) => `${profile} ${peer.name}`);
};

describe("readProxyOptions", () => {
  test("by itself it measures everybody five times in plaintext", () => {
    expect(readProxyOptions([])).toMatchObject({ profiles: ["plain"], runs: 5, workers: 1, caches: ["on", "off"] });
    expect(contenders()).toHaveLength(7);
  });

  test("two profiles take turns peer by peer, and our mTLS has its plaintext twin", () => {
    expect(contenders("--profile", "mtls,plain", "--peers", "ferry,haproxy")).toEqual([
      ...["plain ferry", "mtls ferry", "plain ferry-proxy", "plain haproxy", "mtls haproxy"],
    ]);
    expect(contenders("--profile", "mtls", "--peers", "ferry")).toEqual(["mtls ferry"]);
  });

  test("what it does not know is told with what there is", () => {
    expect(readProxyOptions(["--profile", "tls"])).toBe("no profile tls; there are plain, mtls, bare");
    expect(readProxyOptions(["--profile", "mtls", "--peers", "ferry-unheld"])).toContain("no peer ferry-unheld");
    expect(readProxyOptions(["--workloads", "9x9"])).toContain("no workload 9x9");
    expect(readProxyOptions(["--caches", "some"])).toBe("no cache some; there are on, off");
    expect(readProxyOptions(["--runs", "0"])).toBe("--runs 0: expected a whole number from 1 to 100");
    expect(readProxyOptions(["--workers", "1.5"])).toBe("--workers 1.5: expected a whole number from 1 to 64");
    expect(readProxyOptions(["--seconds", ""])).toContain("--seconds : expected a number");
    expect(readProxyOptions(["--least-ratio=-1"])).toContain("--least-ratio -1: expected a number from 0 to 100");
  });
});
