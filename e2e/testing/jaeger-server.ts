// A real Jaeger for journeys: all in one process, traces in memory, on loopback with ports of its own. The program is
// FERRY_JAEGER, else `jaeger-all-in-one` on PATH.

import { freePorts } from "./free-port.ts";
import { ServerProcess, sayVersion } from "./server-process.ts";

export interface JaegerServer {
  /** `http://host:port` of the page and the API. */
  readonly query: string;
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly otlp: string;
  readonly pid: number;
  remove(): Promise<void>;
}

const readyWithinMs = 30_000;

/** Only that it can be run: one that we have built ourselves does not know its version. */
export function checkJaeger(): void {
  sayVersion(jaegerProgram(), "version", "FERRY_JAEGER");
}

export async function startJaeger(): Promise<JaegerServer> {
  const [query, otlp, ...others] = await freePorts(7);
  const flags = [
    "admin.http",
    "collector.grpc-server",
    "collector.http-server",
    "collector.otlp.grpc",
    "query.grpc-server",
  ];
  const ports = [
    ["query.http-server", query],
    ["collector.otlp.http", otlp],
    ...flags.map((flag, at) => [flag, others[at]] as const),
  ] as const;
  const args = ports.map(([flag, port]) => `--${flag}.host-port=127.0.0.1:${port}`);
  const page = `http://127.0.0.1:${query}`;
  const answers = async (url: string) => (await fetch(url, { signal: AbortSignal.timeout(2000) })).status < 500;
  const process = new ServerProcess({
    ...{ name: "jaeger", program: jaegerProgram(), args, readyWithinMs },
    isReady: async () => (await answers(`${page}/api/services`)) && (await answers(`http://127.0.0.1:${otlp}/`)),
  });
  await process.start();
  return {
    query: page,
    otlp: `http://127.0.0.1:${otlp}`,
    get pid() {
      return process.pid;
    },
    remove: () => process.kill(),
  };
}

function jaegerProgram(): string {
  return process.env.FERRY_JAEGER || "jaeger-all-in-one";
}
