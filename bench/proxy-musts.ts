// What our data plane is held to beside its rivals, judged from the measurements of one invocation: the median over the
// runs of the ratio within each run. Pure. Called by proxy.ts.

import { type Bound, judge, type Must } from "./musts.ts";
import { plainTwinOf } from "./proxy-profiles.ts";
import { type Measurement, medianRatio, nameOf, rejectionOf } from "./proxy-report.ts";

interface SpeedMust extends Bound {
  readonly profile: "plain" | "mtls";
  readonly workload: string;
  readonly to: string;
  /** Default: the profile of ours. */
  readonly toProfile?: "plain";
  /** Default: rps. */
  readonly figure?: "p50Us" | "p99Us" | "mbps";
}

const unary = "8x32 64B";
const plain = { profile: "plain", workload: unary } as const;

const speedMusts: readonly SpeedMust[] = [
  { ...plain, what: `req/s at ${unary} by HAProxy's`, sign: ">", bound: 1, to: "haproxy" },
  { ...plain, what: `req/s at ${unary} by Envoy's`, sign: ">", bound: 5, to: "envoy" },
  { ...plain, what: `req/s at ${unary} by the node:http2 proxy's`, sign: ">", bound: 5, to: "node-http2" },
  {
    ...{ ...plain, workload: "1x1 64B", to: "haproxy", figure: "p50Us" },
    ...{ what: "p50 of one call at a time by HAProxy's", sign: "<=", bound: 1.15 },
  },
  {
    ...{ ...plain, workload: `${unary} at half`, to: "haproxy", figure: "p99Us" },
    ...{ what: "p99 at half of our saturation by HAProxy's at the same rate", sign: "<", bound: 2 },
  },
  {
    ...{ ...plain, workload: "4x4 stream 16x64KB", to: "haproxy", figure: "mbps" },
    ...{ what: "octets a second of a 64 KB stream by HAProxy's", sign: ">=", bound: 0.7 },
  },
  {
    ...{ profile: "mtls", workload: unary, to: "ferry", toProfile: "plain" },
    ...{ what: `mTLS: req/s at ${unary} by our plaintext`, sign: ">=", bound: 0.6 },
  },
  {
    ...{ profile: "mtls", workload: unary, to: "envoy" },
    ...{ what: `mTLS: req/s at ${unary} by Envoy's`, sign: ">", bound: 1 },
  },
];

/** Judged with header caches off: a client that sends equal headers twice is kinder than most are. */
export function judgeSpeed(measurements: readonly Measurement[]): readonly Must[] {
  const counted = measurements.filter((one) => one.cache === "off" && rejectionOf(one) === undefined);
  const musts = speedMusts.map((must) => {
    const { profile, workload, to, toProfile = profile, figure = "rps" } = must;
    const other = toProfile === profile ? to : plainTwinOf(to);
    const ratio = medianRatio(counted, {
      isOf: (one) => one.profile === profile && one.workload === workload && one.peer === "ferry",
      isTo: (one) => one.profile === toProfile && one.workload === workload && one.peer === other,
      figure: (one) => one[figure],
    });
    return judge(must, ratio);
  });
  return [...musts, judgeAim(measurements)];
}

/** Our worst row beside nghttpx: with every profile and kind of header, where as many as come are taken. */
function judgeAim(measurements: readonly Measurement[]): Must {
  const counted = measurements.filter((one) => rejectionOf(one) === undefined && !one.workload.endsWith("at half"));
  const kinds = new Set(counted.map((one) => `${nameOf(one)}, ${one.profile}`));
  const ratios = [...kinds].flatMap((kind) => {
    const same = counted.filter((one) => `${nameOf(one)}, ${one.profile}` === kind);
    const ratio = medianRatio(same, {
      isOf: ({ peer }) => peer === "ferry",
      isTo: ({ peer }) => peer === "nghttpx",
      figure: ({ rps }) => rps,
    });
    return ratio === undefined ? [] : [{ kind, ratio }];
  });
  const worst = ratios.sort((a, b) => a.ratio - b.ratio)[0];
  const what = `req/s by nghttpx's, the worst row${worst === undefined ? "" : ` (${worst.kind})`}`;
  return judge({ what, sign: ">=", bound: 1, isAim: true }, worst?.ratio);
}
