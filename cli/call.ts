// `ferry call`: one call by server reflection, JSON in and out, of any kind. It is also the reference client: it makes
// command ids and begins traces. Exit code 1 when the status is not OK; Ctrl-C ends a stream with 0.

import { type Client, Metadata } from "@grpc/grpc-js";
import { Command } from "commander";
import { type Address, formatAddress, parseDurationMs } from "../common/settings.ts";
import { type Console, openConsole } from "./console.ts";
import { exitOk, exitUnmet, reasonOf, UsageError } from "./exit.ts";
import { readAddress } from "./grpc/address.ts";
import { type ClientSpan, startClientSpan } from "./grpc/client-span.ts";
import { attemptsOf, failureDetails } from "./grpc/failure-details.ts";
import { type CallableMethod, findMethod, parseMethodName } from "./grpc/method.ts";
import { openClient, plainMetadata, type RawCallResult, rawCall } from "./grpc/raw-call.ts";
import { Reflection } from "./grpc/reflect.ts";
import { readOneRequest, readRequests } from "./grpc/request-source.ts";
import { readCliSettings } from "./settings.ts";
import { readStack } from "./supervise/home.ts";

interface CallOptions {
  addr?: string;
  home?: string;
  header: string[];
  timeout?: string;
  verbose?: boolean;
  json?: boolean;
}

const reflectionTimeoutMs = 5000;

export function callCommand(finish: (code: number) => void): Command {
  return new Command("call")
    .description("call a method by server reflection, JSON in and out")
    .argument("<method>", "package.Service/Method")
    .argument("[request]", "JSON, @file or - for standard input; several objects or an array for a request stream")
    .option("--addr <host:port>", "the server; default: the running stack's gateway, else 127.0.0.1:8080")
    .option(
      "-H, --header <name:value>",
      "a request header, may be given several times",
      (text, all: string[]) => [...all, text],
      [],
    )
    .option("--timeout <duration>", "the call's deadline, as 2s or 500ms; default: none")
    .option("--home <dir>", "the stack's directory (FERRY_HOME)")
    .option("-v, --verbose", "show metadata, attempts, timing and a failure's details on stderr")
    .option("--json", "one JSON object on stdout at the end")
    .action(async (method: string, request: string | undefined, options: CallOptions) => {
      finish(await call(method, request, options));
    });
}

async function call(name: string, request: string | undefined, options: CallOptions): Promise<number> {
  const out = openConsole("call", options.json === true);
  const settings = readCliSettings(options.home);
  const metadata = readHeaders(options.header);
  const timeoutMs = readTimeout(options.timeout);
  const wanted = parseMethodName(name);
  const address = targetAddress(options.addr, settings.home);
  const where = formatAddress(address);
  const client = openClient(address);
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort());
  process.once("SIGTERM", () => interrupt.abort());
  try {
    const method = await findMethod(new Reflection(client, where, timeoutMs ?? reflectionTimeoutMs), where, name);
    const { otlpEndpoint: endpoint, otlpServiceName } = settings;
    const span = startClientSpan({
      ...wanted,
      serverAddress: where,
      endpoint,
      serviceName: otlpServiceName ?? "ferry-call",
    });
    if (metadata.get("traceparent").length === 0) metadata.set("traceparent", span.traceparent);
    const isVerbose = options.verbose === true;
    if (isVerbose) showRequest(out, method, where, metadata);
    const made = await perform({
      client,
      method,
      request,
      metadata,
      timeoutMs,
      signal: interrupt.signal,
      out,
      isVerbose,
    });
    const isStopped = made.result.code === "CANCELLED" && interrupt.signal.aborted;
    await endSpan(span, made.result, out);
    report(out, made, isVerbose, isStopped);
    return made.result.code === "OK" || isStopped ? exitOk : exitUnmet;
  } finally {
    client.close();
    if (request === "-") process.stdin.destroy();
  }
}

interface PerformParams {
  client: Client;
  method: CallableMethod;
  request: string | undefined;
  metadata: Metadata;
  timeoutMs: number | undefined;
  signal: AbortSignal;
  out: Console;
  isVerbose: boolean;
}

interface PerformedCall {
  readonly result: RawCallResult;
  readonly messages: readonly unknown[];
}

async function perform(params: PerformParams): Promise<PerformedCall> {
  const { client, method, metadata, timeoutMs, signal, out, isVerbose } = params;
  const messages: unknown[] = [];
  // The one request is read before the call begins, so that a mistake in it costs no call.
  const requests = method.isRequestStream
    ? encodeAll(method, params.request)
    : [method.encode(await readOneRequest(params.request))];
  const result = await rawCall(client, {
    path: method.path,
    requests,
    metadata,
    timeoutMs,
    signal,
    onHeaders: (headers) => {
      if (isVerbose) showMetadata(out, "<", plainMetadata(headers));
    },
    onMessage: (message) => {
      const json = method.decode(message);
      if (out.isJson) messages.push(json);
      out.print(method.isResponseStream ? JSON.stringify(json) : JSON.stringify(json, null, 2));
    },
  });
  return { result, messages };
}

async function* encodeAll(method: CallableMethod, argument: string | undefined): AsyncIterable<Uint8Array> {
  for await (const request of readRequests(argument)) yield method.encode(request);
}

async function endSpan(span: ClientSpan, result: RawCallResult, out: Console): Promise<void> {
  const problem = await span.end(result).catch(reasonOf);
  if (problem !== undefined) out.warn(`ferry: the call's span was not exported: ${problem}`);
}

function report(out: Console, made: PerformedCall, isVerbose: boolean, isStopped: boolean): void {
  const { result } = made;
  const { failure, errorInfo } = failureDetails(result.headers, result.trailers);
  const attempts = attemptsOf(result.headers, result.trailers);
  const ms = Math.round(result.ms * 100) / 100;
  if (isVerbose) {
    showMetadata(out, "< trailer", plainMetadata(result.trailers));
    out.warn(`status ${result.code}, attempts ${attempts}, ${ms} ms`);
    if (errorInfo !== undefined) {
      out.warn(`error ${errorInfo.domain}/${errorInfo.reason}`);
      showMetadata(out, "  ", errorInfo.metadata);
    }
  }
  if (result.code !== "OK" && !isStopped) {
    const kind = failure === undefined ? "" : ` (${failure})`;
    out.warn(`ferry: ${result.code}${kind}: ${result.message}`);
  }
  out.result(result.code === "OK" || isStopped, {
    code: result.code,
    message: result.message,
    failure: failure ?? null,
    errorInfo: errorInfo ?? null,
    headers: plainMetadata(result.headers),
    trailers: plainMetadata(result.trailers),
    messages: made.messages,
    ms,
    attempts,
  });
}

function showRequest(out: Console, method: CallableMethod, where: string, metadata: Metadata): void {
  out.warn(`> ${method.service}/${method.method} at ${where}`);
  showMetadata(out, ">", plainMetadata(metadata));
}

function showMetadata(out: Console, mark: string, metadata: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(metadata)) out.warn(`${mark} ${name}: ${value}`);
}

/** `--addr`, else the gateway of the stack that runs in `home`, else the gateway's default. */
export function targetAddress(option: string | undefined, home: string): Address {
  if (option !== undefined) return readAddress("--addr", option);
  return readAddress("stack.json", readStack(home)?.gateway ?? "127.0.0.1:8080");
}

/** `500ms` to milliseconds. */
export function readTimeout(option: string | undefined): number | undefined {
  if (option === undefined) return undefined;
  try {
    return parseDurationMs(option);
  } catch (error) {
    throw new UsageError(`--timeout ${option}: expected ${reasonOf(error)}`);
  }
}

/** Each as `name: value`; binary headers (`-bin`) take base64. */
export function readHeaders(options: readonly string[]): Metadata {
  const metadata = new Metadata();
  for (const option of options) {
    const colon = option.indexOf(":");
    const name = option.slice(0, Math.max(0, colon)).trim().toLowerCase();
    const value = option.slice(colon + 1).trim();
    if (!/^[a-z0-9._-]+$/.test(name))
      throw new UsageError(`--header ${option}: expected name: value, as x-device: mobile`);
    metadata.add(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
  }
  return metadata;
}
