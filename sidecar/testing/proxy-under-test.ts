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
export const startFerryProxy: StartProxyUnderTest = async (upstreamPort) => {
  const host = "127.0.0.1";
  const log = jsonLog("proxy", "error", () => {});
  const proxy = await startProxy({ listen: { host, port: 0 }, upstream: { host, port: upstreamPort }, log });
  return {
    port: Number(proxy.listen.split(":").at(-1)),
    async close() {
      proxy.hurry();
      await proxy.drain(0);
    },
  };
};
