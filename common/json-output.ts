// What every command and benchmark prints for machines: one JSON object a line on stdout, the last of a finished
// command being `{"ok":…,"command":…,"machine":{…},…}`. Progress for people goes to stderr then, so that a reader of
// stdout needs no filter.

import { availableParallelism } from "node:os";

/** Where a figure was made. */
export interface Machine {
  /** Cores this process may use. */
  readonly cpus: number;
  /** Node's version, as `24.21.0`. */
  readonly node: string;
}

export function thisMachine(): Machine {
  return { cpus: availableParallelism(), node: process.versions.node };
}

/** The object that ends a command's output. */
export function resultLine(command: string, ok: boolean, fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ok, command, machine: thisMachine(), ...fields }, plainBigInt);
}

/** One line of a long-running command, as `{"event":"ready",…}`. */
export function eventLine(event: string, fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ event, ...fields }, plainBigInt);
}

/** 64-bit counts as decimal strings, as protobuf's JSON form has them. */
function plainBigInt(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
