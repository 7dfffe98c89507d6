// What an HTTP/2 proxy in front of one backend does, whoever wrote it: frames in, frames out, and each kind of gRPC
// call. Run over ours and, as the oracle, over one on node:http2 (nghttp2). What a proxy does not keep it says as data,
// and that case is then expected to fail: a difference that has gone away is an error as well.

import { afterEach, describe, expect, test } from "vitest";
import { callCases } from "./testing/proxy-call-cases.ts";
import { grpcCases } from "./testing/proxy-grpc-cases.ts";
import { messageCases } from "./testing/proxy-message-cases.ts";
import { refusalCases } from "./testing/proxy-refusal-cases.ts";
import { openRig, type ProxyRig } from "./testing/proxy-rig.ts";
import type { StartProxyUnderTest } from "./testing/proxy-under-test.ts";

export interface ProxySuiteOptions {
  readonly start: StartProxyUnderTest;
  /** Title of a case that this proxy does not keep -> why. */
  readonly differs: Readonly<Record<string, string>>;
}

export function proxySuite(name: string, { start, differs }: ProxySuiteOptions): void {
  describe(`${name} as a proxy`, () => {
    const rigs: ProxyRig[] = [];
    afterEach(async () => {
      for (const rig of rigs.splice(0)) await rig.close();
    });

    const cases: { title: string; run: () => Promise<void> }[] = [];
    for (const { title, run } of [...messageCases, ...refusalCases, ...grpcCases]) {
      const open = async (options = {}) => {
        const rig = await openRig(start, options);
        rigs.push(rig);
        return rig;
      };
      cases.push({ title, run: () => run(open) });
    }
    for (const { title, run } of callCases) cases.push({ title, run: () => run(start) });

    for (const { title, run } of cases) {
      const reason = differs[title];
      if (reason === undefined) test(title, { timeout: 20_000 }, run);
      else test.fails(`differs: ${title} (${reason})`, { timeout: 1000 }, run);
    }

    test("every difference that is stated names a case", () => {
      const titles = cases.map(({ title }) => title);
      expect(Object.keys(differs).filter((title) => !titles.includes(title))).toEqual([]);
      expect(new Set(titles).size).toBe(titles.length);
    });
  });
}
