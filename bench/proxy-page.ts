// The part of docs/performance.md that bench:proxy writes. Pure. Called by proxy.ts.

import { formatMusts, type Must } from "./musts.ts";
import { formatTables, type Report } from "./proxy-report.ts";

/** A peer that was not measured, and why. */
export interface Left {
  readonly profile: string;
  readonly peer: string;
  readonly reason: string;
}

export interface ProxyPart {
  readonly made: string;
  readonly where: string;
  readonly report: Report;
  readonly musts: readonly Must[];
  /** Calls a second, by profile and kind of header. */
  readonly halfRates: Readonly<Record<string, number>>;
  /** Of the programs of other makes. */
  readonly versions: Readonly<Record<string, string>>;
  readonly left: readonly Left[];
}

export function proxyPart({ made, where, report, musts, halfRates, versions, left }: ProxyPart): string {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const rates = Object.entries(halfRates).map(([kind, rate]) => `${kind}: ${rate.toLocaleString("en")} calls a second`);
  const tls = Object.entries(report.mtlsOfPlain).map(([name, peers]) => {
    const ratios = Object.entries(peers).map(([peer, ratio]) => `${peer} ${ratio.toFixed(2)}`);
    return `- ${name}: ${ratios.join(", ")}`;
  });
  const rejected = report.rejected.map(({ profile, peer, cache, workload, reason }) => {
    return `- ${profile} ${peer}, ${workload}, caches ${cache}: ${reason}`;
  });
  const parts = [
    `${made}${programs.length > 0 ? ` Peers: ${programs.join(", ")}.` : ""}`,
    where,
    formatMusts(musts),
    rates.length > 0 ? `At half of our saturation: ${rates.join("; ")}.` : "",
    formatTables(report),
    list("What mTLS leaves of the plaintext rate", tls),
    list("Not measured", [...left.map(({ profile, peer, reason }) => `- ${profile} ${peer}: ${reason}`), ...rejected]),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function list(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `### ${title}\n\n${lines.join("\n")}`;
}

export function placement(cores: string, loadCore: number): string {
  return (
    `The proxy is on core ${cores}; load generator (\`bench/wire/load.ts\`), backend and probe are together on core ` +
    `${loadCore}: direct, without a proxy, shows what they can do by themselves. Latencies are of the calls after ` +
    "the first half second, in which the load generator itself is compiled; at half they count from the moment when " +
    "a call was due. With mTLS the load's side is TLS 1.3 and client certificates are demanded, the backend's side " +
    "is plaintext: each sidecar of a mesh hop has one such side."
  );
}
