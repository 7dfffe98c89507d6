// The profiles of the proxy benchmark, and who takes part in each. Called by proxy.ts and its options.

import { ferry, ferryUnheld } from "./peers/ferry.ts";
import { ferryBare } from "./peers/ferry-bare.ts";
import { ferryProxy } from "./peers/ferry-proxy.ts";
import { direct, envoy, haproxy, nghttpx, nginx, nodeHttp2 } from "./peers/other-makes.ts";
import type { Peer } from "./peers/peer.ts";

export type ProfileName = "plain" | "mtls" | "bare";

const others: readonly Peer[] = [haproxy, nghttpx, envoy, nodeHttp2, nginx, direct];

/** What our own proxy is in each profile; the others have no layers to leave out. */
export const profiles: Readonly<Record<ProfileName, readonly Peer[]>> = {
  plain: [ferry, ferryUnheld, ferryProxy, ...others],
  mtls: [{ ...ferryProxy, name: "ferry" }, ...others],
  bare: [ferryBare, ...others],
};

/** Who is measured unless `--peers` says otherwise. */
export const usualPeers: readonly string[] = [ferry, ...others].map(({ name }) => name);

/** Who in `plain` is the same program as `peer` in `mtls`: what TLS costs is told by these two. */
export function plainTwinOf(peer: string): string {
  return peer === "ferry" ? ferryProxy.name : peer;
}

/** One peer in one profile. */
export interface Contender {
  readonly profile: ProfileName;
  readonly peer: Peer;
}

/**
 * Who is measured, in the order of turns: a peer's profiles one after the other, so that they share the machine's
 * weather. Where both are asked for, the plain twin of our mTLS is among them.
 */
export function contendersOf(names: readonly string[], asked: readonly ProfileName[]): readonly Contender[] {
  const isCompared = asked.includes("plain") && asked.includes("mtls");
  const wanted = isCompared ? [...names, ...names.map(plainTwinOf)] : names;
  const all = asked.flatMap((profile) =>
    profiles[profile].filter(({ name }) => wanted.includes(name)).map((peer) => ({ profile, peer })),
  );
  const place = ({ peer }: Contender) => profiles.plain.findIndex(({ name }) => name === peer.name);
  return all.sort((a, b) => place(a) - place(b));
}
