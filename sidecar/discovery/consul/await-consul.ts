// Waits for Consul at the start of a process: until it answers, is new enough and lets us in. Called by the composition
// root and the command line. Ends in one sentence that says what to do.

import { type Clock, wait } from "../../../common/clock.ts";
import { type ConsulClient, ConsulUnreachable } from "./consul-client.ts";

export interface AwaitConsulOptions {
  readonly client: ConsulClient;
  readonly clock: Clock;
  /** How long a server that does not answer is waited for; 0: ask once. */
  readonly waitMs: number;
  /** A sentence now and then while it is waited for. */
  readonly onProgress: (sentence: string) => void;
  readonly signal?: AbortSignal;
}

/** What a sidecar waits at its start, unless told otherwise. */
export const startWaitMs = 60_000;

const oldest = [1, 15] as const;
const lookMs = 500;
const sayEveryMs = 5_000;

/** The version, as `1.21.0`. Rejects with one sentence. */
export async function awaitConsul(options: AwaitConsulOptions): Promise<string> {
  const { client, clock, waitMs, onProgress, signal } = options;
  const untilMs = clock.nowMs() + waitMs;
  let sayAtMs = clock.nowMs();
  for (;;) {
    const found = await look(client);
    if (found.version !== undefined) return found.version;
    if (!found.mayPass || clock.nowMs() >= untilMs) {
      const waited = found.mayPass && waitMs > 0 ? `, for ${Math.round(waitMs / 1_000)} s` : "";
      throw new Error(`${found.why}${waited}; ${found.advice}`);
    }
    if (clock.nowMs() >= sayAtMs) {
      onProgress(`${found.why}; waiting ${Math.ceil((untilMs - clock.nowMs()) / 1_000)} s more`);
      sayAtMs = clock.nowMs() + sayEveryMs;
    }
    await wait(clock, lookMs, signal);
  }
}

interface Found {
  readonly version?: string;
  readonly why: string;
  readonly advice: string;
  /** Time may help. */
  readonly mayPass: boolean;
}

async function look(client: ConsulClient): Promise<Found> {
  try {
    const reply = await client.ask({ path: "agent/version", timeoutMs: 5_000 });
    const { status, text } = reply;
    if (status === 200) return await withLeader(client, versionOf(text));
    if (status === 403) return refused(client, text);
    const advice = "set CONSUL_HTTP_ADDR to the HTTP API of a Consul agent";
    const isBusy = status === 429 || status >= 500;
    return { why: `${client.name} answers ${status} ${text.trim().slice(0, 200)}`, advice, mayPass: isBusy };
  } catch (error) {
    if (!(error instanceof ConsulUnreachable)) throw error;
    const advice = "start Consul, or set CONSUL_HTTP_ADDR to where it is";
    return { why: `${client.name}: ${error.reason}`, advice, mayPass: true };
  }
}

async function withLeader(client: ConsulClient, version: string | undefined): Promise<Found> {
  const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
  if (version === undefined || major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    const why = `${client.name} is version ${version ?? "unknown"}, Ferry needs ${oldest.join(".")} or newer`;
    return { why, advice: "update Consul", mayPass: false };
  }
  // Without a leader every read fails; the address of the leader comes in quotes.
  const leader = await client.ask({ path: "status/leader", timeoutMs: 5_000 });
  if (leader.status === 200 && leader.text.trim() !== '""') return withToken(client, version);
  return { why: `${client.name} has no cluster leader`, advice: "look at Consul's servers", mayPass: true };
}

/** Version and leader are told to everybody; a read shows whether the token is known. */
async function withToken(client: ConsulClient, version: string): Promise<Found> {
  const read = await client.ask({ path: "catalog/services", timeoutMs: 5_000 });
  if (read.status === 403) return refused(client, read.text);
  if (read.status !== 200) {
    const why = `${client.name} answers ${read.status} ${read.text.trim().slice(0, 200)}`;
    return { why, advice: "look at Consul's servers", mayPass: true };
  }
  // Those without a token are not told that something was left out, but Consul itself is always registered.
  if (!client.hasToken && read.isDefaultDeny && read.text.trim() === "{}") {
    return refused(client, "it shows nothing to those without a token");
  }
  return { version, why: "", advice: "", mayPass: false };
}

function refused({ name }: ConsulClient, text: string): Found {
  const advice = "set CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE to a token that it knows";
  return { why: `${name} refuses us: ${text.trim()}`, advice, mayPass: false };
}

function versionOf(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as { HumanVersion?: unknown; Version?: unknown } | string;
    const found = typeof body === "string" ? body : (body.HumanVersion ?? body.Version);
    return typeof found === "string" ? /\d+\.\d+(\.\d+)?/.exec(found)?.[0] : undefined;
  } catch {
    return undefined;
  }
}
