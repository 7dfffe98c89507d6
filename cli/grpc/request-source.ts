// Where a call's requests come from: the argument, `@file`, or `-` for standard input, which is sent as it is typed.

import { open } from "node:fs/promises";
import { UsageError } from "../exit.ts";
import { JsonValues } from "./json-values.ts";

export type RequestSource = AsyncIterable<unknown>;

/** Yields the requests one by one; nothing for an absent argument. Throws UsageErrors that say what is wrong. */
export async function* readRequests(argument: string | undefined): RequestSource {
  if (argument === undefined) return;
  const cutter = new JsonValues();
  try {
    for await (const text of pieces(argument)) yield* cutter.push(text);
    cutter.end();
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`request: ${error.message}`);
    throw error;
  }
}

async function* pieces(argument: string): AsyncIterable<string> {
  if (argument === "-") {
    process.stdin.setEncoding("utf8");
    yield* process.stdin as AsyncIterable<string>;
  } else if (argument.startsWith("@")) {
    const file = argument.slice(1);
    const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(`request: cannot read ${file}: ${error.code ?? error.message}`);
    });
    yield* handle.createReadStream({ encoding: "utf8" }) as AsyncIterable<string>;
  } else {
    yield argument;
  }
}

/** The one request of a unary or server-streaming method: `{}` when none is given. */
export async function readOneRequest(argument: string | undefined): Promise<unknown> {
  let first: unknown;
  let count = 0;
  for await (const request of readRequests(argument)) {
    first ??= request;
    count++;
  }
  if (count > 1) throw new UsageError(`request: the method takes one request, found ${count}`);
  return first;
}
