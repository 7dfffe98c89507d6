// `ferry bench call`: a steady load of one unary call against a stack on this machine, and what came of it. Exit code 1
// when a call failed. Bounded in count and time, and loopback only: it is for one's own stack, not for somebody's
// server.

import type { Metadata } from "@grpc/grpc-js";
import { Command } from "commander";
import { systemClock } from "../common/clock.ts";
import { formatAddress } from "../common/settings.ts";
import { type CallOutcome, type LoadFigures, openLoop } from "./bench/open-loop.ts";
import { readHeaders, readTimeout, targetAddress } from "./call.ts";
import { type Console, openConsole, table } from "./console.ts";
import { CommandError, exitOk, exitUnmet, UsageError } from "./exit.ts";
import { isLoopback } from "./grpc/address.ts";
import { attemptsOf, failureDetails } from "./grpc/failure-details.ts";
import { type CallableMethod, findMethod } from "./grpc/method.ts";
import { openClient, rawCall } from "./grpc/raw-call.ts";
import { Reflection } from "./grpc/reflect.ts";
import { readOneRequest } from "./grpc/request-source.ts";
import { readCliSettings } from "./settings.ts";
import { untilSignal } from "./supervise/until-signal.ts";

interface BenchOptions {
  rps: string;
  seconds: string;
  concurrency: string;
  connections: string;
  addr?: string;
  home?: string;
  header: string[];
  timeout: string;
  json?: boolean;
}

const maxRps = 50_000;
const maxSeconds = 3600;
const maxCalls = 5_000_000;

export function benchCommand(finish: (code: number) => void): Command {
  const call = new Command("call")
    .description("a steady load of one unary call")
    .argument("<method>", "package.Service/Method")
    .argument("[request]", "JSON, @file or - for standard input")
    .option("--rps <number>", "calls begun each second", "100")
    .option("--seconds <number>", "for how long", "10")
    .option("--concurrency <number>", "calls under way at the most", "1000")
    .option("--connections <number>", "connections to spread the calls over", "2")
    .option("--addr <host:port>", "the server, on this machine; default: the running stack's gateway")
    .option("-H, --header <name:value>", "a request header", (text, all: string[]) => [...all, text], [])
    .option("--timeout <duration>", "each call's deadline", "5s")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("--json", "one JSON object on stdout at the end")
    .action(async (method: string, request: string | undefined, options: BenchOptions) => {
      finish(await benchCall(method, request, options));
    });
  return new Command("bench").description("measure").addCommand(call);
}

async function benchCall(name: string, request: string | undefined, options: BenchOptions): Promise<number> {
  const out = openConsole("bench call", options.json === true);
  const bounds = readBounds(options);
  const metadata = readHeaders(options.header);
  const timeoutMs = readTimeout(options.timeout);
  const address = targetAddress(options.addr, readCliSettings(options.home).home);
  const where = formatAddress(address);
  if (!isLoopback(address.host)) {
    throw new CommandError(`bench loads servers on this machine only, as 127.0.0.1:8080; ${where} is not`);
  }
  const clients = Array.from({ length: bounds.connections }, (_, at) =>
    // Different arguments, or grpc-js would share one connection.
    openClient(address, { "grpc.use_local_subchannel_pool": 1, "ferry.connection": at }),
  );
  const signal = untilSignal();
  try {
    const method = await findMethod(new Reflection(clients[0]!, where, 5000), where, name);
    if (method.isRequestStream || method.isResponseStream)
      throw new UsageError(`${name} is a stream; bench takes unary methods`);
    const json = await readOneRequest(request);
    method.encode(json); // A mistake in the request is told before the load begins.
    out.say(`${bounds.rps} calls a second for ${bounds.seconds} s to ${name} at ${where}`);
    let turn = 0;
    const call = () => {
      const client = clients[turn++ % clients.length]!;
      return outcomeOf(method, json, { client, metadata, timeoutMs });
    };
    const figures = await openLoop({ ...bounds, call, clock: systemClock, signal: signal.aborted });
    report(out, { method: name, address: where, wanted: bounds }, figures);
    return figures.failed === 0 && figures.calls > 0 ? exitOk : exitUnmet;
  } finally {
    for (const client of clients) client.close();
    signal.close();
  }
}

async function outcomeOf(
  method: CallableMethod,
  json: unknown,
  how: { client: ReturnType<typeof openClient>; metadata: Metadata; timeoutMs: number | undefined },
): Promise<CallOutcome> {
  const { headers, trailers, code, message } = await rawCall(how.client, {
    path: method.path,
    requests: [method.encode(json)], // Encoded for each call: a command gets an id of its own.
    metadata: how.metadata.clone(),
    timeoutMs: how.timeoutMs,
    onMessage: () => {},
  });
  const first = (name: string) => String(headers.get(name)[0] ?? trailers.get(name)[0] ?? "");
  const servedBy = `${first("x-quoter-instance")} ${first("x-quoter-version")}`.trim();
  return {
    code,
    message,
    failure: failureDetails(headers, trailers).failure ?? "",
    servedBy,
    attempts: attemptsOf(headers, trailers),
  };
}

function report(out: Console, load: Readonly<Record<string, unknown>>, figures: LoadFigures): void {
  const { calls, failed, failures, servedBy, p50Ms, p99Ms, maxMs, rps, lastFailure } = figures;
  out.print(`${calls} calls, ${failed} failed, ${figures.retried} retried, ${rps} a second`);
  out.print(`p50 ${p50Ms} ms  p99 ${p99Ms} ms  max ${maxMs} ms`);
  for (const line of table(Object.entries(servedBy).map(([who, count]) => [`  ${who}`, `${count}`]))) out.print(line);
  for (const line of table(Object.entries(failures).map(([what, count]) => [`! ${what}`, `${count}`]))) out.print(line);
  if (lastFailure !== "") out.print(`! last: ${lastFailure}`);
  out.result(failed === 0 && calls > 0, { ...load, ...figures });
}

function readBounds(options: BenchOptions) {
  const rps = readNumber("--rps", options.rps, maxRps);
  const seconds = readNumber("--seconds", options.seconds, maxSeconds);
  if (rps * seconds > maxCalls) {
    throw new UsageError(`--rps ${rps} for --seconds ${seconds} are ${rps * seconds} calls: at most ${maxCalls}`);
  }
  const concurrency = Math.ceil(readNumber("--concurrency", options.concurrency, 10_000));
  const connections = Math.ceil(readNumber("--connections", options.connections, 100));
  return { rps, seconds, concurrency, connections };
}

function readNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > 0 && value <= max)) {
    throw new UsageError(`${option} ${text}: expected a number above 0 and up to ${max}`);
  }
  return value;
}
