// A proxy in front of one backend, as the proxy suite and the tests of bad backends start it: ours here, the one on
// node:http2 in node-http2-proxy.ts.

import { jsonLog } from "../../common/json-log.ts";
import { startProxy } from "../proxy.ts";

export interface ProxyUnderTest {
  readonly port: number;
  /** Ends it at once. */
  close(): Promise<void>;
}

/** Starts a proxy on a free port of loopback, in front of `upstreamPort`. */
export type StartProxyUnderTest = (upstreamPort: number) => Promise<ProxyUnderTest>;

/** What `ferry proxy` runs, in this process and with its log thrown away. */
export const startFerryProxy: StartProxyUnderTest = (upstreamPort) => start(upstreamPort, 1);

/** The same with its calls carried by two other processes. */
export const startFerryWorkers: StartProxyUnderTest = (upstreamPort) => start(upstreamPort, 2);

async function start(upstreamPort: number, workers: number): Promise<ProxyUnderTest> {
  const host = "127.0.0.1";
  const log = jsonLog("proxy", "error", () => {});
  const proxy = await startProxy({ listen: { host, port: 0 }, upstream: { host, port: upstreamPort }, log, workers });
  return {
    port: Number(proxy.listen.split(":").at(-1)),
    async close() {
      proxy.hurry();
      await proxy.drain(0);
    },
  };
}
