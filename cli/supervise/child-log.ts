// What a child that is starting has written to its log: the file is appended to by every process of that name, so only
// what came after the child's own start counts.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const maxBytes = 16_384;

/** The last line that a person would read: a sentence rather than a JSON line or a stack. `from` in bytes. */
export function lastSentence(logFile: string, from: number): string | undefined {
  const lines = linesSince(logFile, from);
  const sentence =
    lines.findLast((line) => /^[a-z][\w-]*: /.test(line)) ?? lines.findLast((line) => /^\w*Error/.test(line));
  return sentence ?? lines.at(-1);
}

/** The message of the last line, when that is a JSON line with one. */
export function lastMessage(logFile: string, from: number): string | undefined {
  try {
    const line: unknown = JSON.parse(linesSince(logFile, from).at(-1) ?? "");
    const message = (line as { message?: unknown } | null)?.message;
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}

function linesSince(logFile: string, from: number): string[] {
  let file: number | undefined;
  try {
    file = openSync(logFile, "r");
    const end = fstatSync(file).size;
    const start = Math.max(from, end - maxBytes);
    const bytes = Buffer.alloc(Math.max(0, end - start));
    readSync(file, bytes, 0, bytes.length, start);
    return bytes
      .toString("utf8")
      .split("\n")
      .filter((line) => line.trim() !== "");
  } catch {
    return [];
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
