// Addresses as people type them on the command line.

import { type Address, parseAddress } from "../../common/settings.ts";
import { UsageError } from "../exit.ts";

/** `option` is for the message, as `--addr`. Port 0 is allowed: for a listener it means any free one. */
export function readAddress(option: string, text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    throw new UsageError(`${option} ${text}: expected ${(error as Error).message}`);
  }
}

/** 127.0.0.0/8, ::1 or localhost. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
