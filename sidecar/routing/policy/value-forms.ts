// The forms that values of `ferry_*` keys have: each says what it expects in words and reads it. Used by the topics'
// tables. Pure.

import { nearestName } from "../../../common/nearest-name.ts";
import { Status, statusName } from "../../grpc/status.ts";
import { parseDuration } from "../duration.ts";
import type { ValueForm } from "./setting.ts";

export function integer(min: number, max: number): ValueForm<number> {
  return {
    expected: `an integer from ${min} to ${max}`,
    parse(text) {
      const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/** Milliseconds. `mayBeZero`: 0 stands for none. */
export function duration(minText: string, mayBeZero: boolean): ValueForm<number> {
  const minMs = parseDuration(minText) ?? 0;
  return {
    expected: `a duration as 500ms or 10s, at least ${minText}${mayBeZero ? ", or 0 for none" : ""}`,
    parse(text) {
      const ms = parseDuration(text);
      if (ms === undefined) return undefined;
      return ms >= minMs || (mayBeZero && ms === 0) ? ms : undefined;
    },
    nearest: (text) => (/^\d{1,9}$/.test(text) ? `${text}s or ${text}ms` : ""),
  };
}

/** 0 to 100, fractions allowed; read with or without the sign. */
export const percent: ValueForm<number> = {
  expected: "a percentage from 0 to 100, as 20 or 0.5",
  parse(text) {
    const value = /^\d{1,3}(\.\d{1,4})?%?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
    return value >= 0 && value <= 100 ? value : undefined;
  },
};

export function oneOf<const T extends string>(...words: readonly T[]): ValueForm<T> {
  return {
    expected: `one of ${words.join(", ")}`,
    parse: (text) => words.find((word) => word === text),
    nearest: (text) => nearestName(text, words) ?? "",
  };
}

const statusByName: ReadonlyMap<string, Status> = new Map(
  Object.values(Status).map((status) => [statusName(status), status] as const),
);

/** Names of gRPC statuses other than OK, separated by commas; `none` for an empty list. */
export const statusList: ValueForm<readonly number[]> = {
  expected: "names of gRPC statuses but OK, as UNAVAILABLE,ABORTED, or none",
  parse(text) {
    if (text === "none") return [];
    const statuses = text.split(",").map((name) => statusByName.get(name.trim()));
    return statuses.every((status) => status !== undefined && status !== Status.OK)
      ? (statuses as readonly number[])
      : undefined;
  },
  nearest(text) {
    const known = [...statusByName.keys()].filter((name) => name !== statusName(Status.OK));
    const names = text.split(",").map((name) => nearestName(name.trim().replaceAll("-", "_"), known));
    return names.every((name) => name !== undefined) ? names.join(",") : "";
  },
};
