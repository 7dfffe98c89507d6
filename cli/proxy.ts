// `ferry proxy`: the data plane alone, between a listener and one upstream. Runs in this process until Ctrl-C or
// SIGTERM, which drain it; a second signal does not wait.

import { Command } from "commander";
import { jsonLog } from "../common/json-log.ts";
import { formatAddress } from "../common/settings.ts";
import { startProxy } from "../sidecar/proxy.ts";
import { openConsole } from "./console.ts";
import { CommandError, exitOk, reasonOf, UsageError } from "./exit.ts";
import { readAddress } from "./grpc/address.ts";
import { untilSignal } from "./supervise/until-signal.ts";

interface ProxyOptions {
  listen: string;
  upstream: string;
  workers: string;
  json?: boolean;
}

const drainGraceMs = 30_000;

export function proxyCommand(finish: (code: number) => void): Command {
  return new Command("proxy")
    .description("run the data plane alone, in front of one HTTP/2 server")
    .option("--listen <host:port>", "where to listen; port 0 takes a free one", "127.0.0.1:0")
    .requiredOption("--upstream <host:port>", "the server that every call goes to")
    .option("--workers <number>", "processes that share the port; only 1 so far", "1")
    .option("--json", "one JSON object a line on stdout")
    .action(async (options: ProxyOptions) => finish(await proxy(options)));
}

async function proxy(options: ProxyOptions): Promise<number> {
  const out = openConsole("proxy", options.json === true);
  if (options.workers !== "1") throw new UsageError(`--workers ${options.workers}: expected 1`);
  const listen = readAddress("--listen", options.listen);
  const upstream = readAddress("--upstream", options.upstream);
  const log = jsonLog("proxy", "info");
  const signal = untilSignal();
  try {
    const running = await startProxy({ listen, upstream, log }).catch((error: unknown) => {
      throw new CommandError(`cannot listen on ${formatAddress(listen)}: ${reasonOf(error)}`);
    });
    out.say(`${running.listen} to ${formatAddress(upstream)}; admin on ${running.admin}; Ctrl-C drains it`);
    out.event("ready", { listen: running.listen, admin: running.admin, pid: process.pid });
    await signal.first;
    signal.onImpatience(() => running.hurry());
    await running.drain(drainGraceMs);
    return exitOk;
  } finally {
    signal.close();
  }
}
