// The hash of a request for ring_hash and maglev: of the headers and cookies that the resolver's HashPolicies name, in
// their order. The same in every sidecar. Pure.

import { stringHash } from "../../common/string-hash.ts";
import { fieldValue, type HeaderFields } from "../http2/header-field.ts";
import type { HashSource } from "../routing/policy/balance-policy.ts";

/** Its own, so that who shares a side of a sticky split is spread over all its endpoints. */
const requestSeed = 0x3c6ef372;

/** 32 bits; undefined when the request has none of what is named. */
export function requestHash(fields: HeaderFields, sources: readonly HashSource[]): number | undefined {
  let hash: number | undefined;
  for (const { from, name, isTerminal } of sources) {
    const value = from === "header" ? fieldValue(fields, name) : cookieValue(fields, name);
    if (value === undefined || value === "") continue;
    const part = stringHash(value, requestSeed);
    // Turned before the next part is added, so that equal values of two fields do not cancel each other.
    hash = hash === undefined ? part : (((hash << 1) | (hash >>> 31)) ^ part) >>> 0;
    if (isTerminal) break;
  }
  return hash;
}

/** A client may send each cookie in a field of its own (RFC 9113 section 8.2.3). */
function cookieValue(fields: HeaderFields, name: string): string | undefined {
  for (const field of fields) {
    if (field.name !== "cookie") continue;
    for (const pair of field.value.split(";")) {
      const equals = pair.indexOf("=");
      if (equals !== -1 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
    }
  }
  return undefined;
}
