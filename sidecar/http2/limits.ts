// Every limit of listeners, connections and the process: a row with its default and what it stops. A breach closes the
// connection, or refuses a stream where the row says so, under one reason of the tables below, in metrics and in
// GOAWAY's text. Rows are RFC 9113 section 10.5's advice made numbers; attacks are named by CVE. Times are checked
// by one coarse timer (watch.ts): they hold from below, and are passed by at most a minute.
//
// Users set them by name (parse-limits.ts); the table in SECURITY.md is generated from these rows.

export interface Limit {
  readonly default: number;
  /** The least that may be set; default 0. It is 1 where 0 would serve nobody. */
  readonly min?: number;
  /** The most that may be set; default 2^31-1, what a window, a frame's field and a timer can hold. */
  readonly max?: number;
  readonly reason: string;
}

const rows = {
  maxConcurrentStreams: {
    default: 1000,
    min: 1,
    reason:
      "work in flight per connection; one more is refused (REFUSED_STREAM); below ferry_max_calls, so that one connection never takes every place of a service",
  },
  maxNewStreamsPerRead: {
    default: 64,
    min: 1,
    reason:
      "requests begun in one turn; the rest of the read waits for the next, so others get theirs (CVE-2023-44487)",
  },
  maxStreamsPerConnection: {
    default: 800_000_000,
    min: 1,
    max: 1_073_741_823,
    reason: "of the 1,073,741,823 stream identifiers; then GOAWAY, and callers go on with another connection",
  },
  maxHeaderListBytes: {
    default: 32_768,
    min: 1,
    reason: "name + value + 32 per field; the stream is refused (CVE-2016-6581)",
  },
  maxFields: {
    default: 128,
    min: 1,
    reason: "each field costs more than its octets; the stream is refused (CVE-2026-47774)",
  },
  maxHeaderBlockBytes: {
    default: 65_536,
    min: 1,
    reason: "encoded block held while CONTINUATION frames come (CVE-2024-27316)",
  },
  maxContinuations: { default: 8, reason: "CONTINUATION frames per block, also empty ones (CVE-2024-27983)" },
  maxSettingsEntries: { default: 32, min: 1, reason: "entries of one SETTINGS frame; ten are defined" },
  settingsBurst: {
    default: 50,
    min: 1,
    reason: "SETTINGS frames at once; each must be applied and acknowledged (CVE-2019-9515)",
  },
  settingsPerSecond: {
    default: 5,
    reason: "SETTINGS frames in the long run; estimators change windows often at start",
  },
  pingBurst: { default: 100, reason: "PINGs without DATA or HEADERS between them (CVE-2019-9512)" },
  pingsPerSecond: { default: 10, reason: "PINGs in the long run; keepalive needs one in 10 s" },
  glitchBurst: {
    default: 1000,
    reason: "frames that change nothing: empty, unknown, PRIORITY, for closed streams (CVE-2019-9518)",
  },
  glitchesPerSecond: { default: 100, reason: "the same in the long run" },
  clientResetBurst: { default: 1000, reason: "RST_STREAM before the response was complete (CVE-2023-44487)" },
  clientResetsPerSecond: { default: 50, reason: "the same in the long run: callers do give up" },
  cancelBurst: {
    default: 500,
    reason:
      "requests of all callers cancelled on one connection to a server; then another one takes over, before the " +
      "server's own limit (nghttp2: 1,000) ends it for all",
  },
  cancelsPerSecond: { default: 25, reason: "the same in the long run (nghttp2: 33)" },
  resetRatioStreams: {
    default: 500,
    reason: "streams opened in a second; above that too many resets among them close (CVE-2023-44487)",
  },
  resetRatioPercent: {
    default: 50,
    max: 100,
    reason: "of the streams of that second; more than these reset is too many",
  },
  ownResetBurst: { default: 100, reason: "streams that the peer made us reset by breaking a rule (CVE-2025-8671)" },
  ownResetsPerSecond: { default: 10, reason: "the same in the long run" },
  maxQueuedControlFrames: {
    default: 1000,
    min: 1,
    reason: "answers that wait for a peer that does not read (CVE-2019-9512)",
  },
  maxQueuedBytes: { default: 4_194_304, min: 1, reason: "everything that waits for the socket; DATA stops far below" },
  maxBufferedBytes: {
    default: 268_435_456,
    min: 1,
    max: 1_099_511_627_776,
    reason: "in the whole process, for all peers that are not ready; above it the largest holder's streams are reset",
  },
  maxStreamWindowBytes: {
    default: 1_048_576,
    reason: "to which a stream's window grows while it is read as fast as it comes; a stalled stream holds so much",
  },
  maxConnectionWindowBytes: {
    default: 16_777_216,
    reason: "to which the connection's grows; its octets are in streams",
  },
  maxConnections: { default: 10_000, min: 1, reason: "per listener; one more is closed as soon as it is accepted" },
  maxConnectionsPerAddress: {
    default: 1000,
    min: 1,
    reason: "per listener and client address, so that one client cannot take all; one more is closed at once",
  },
  handshakeMs: { default: 10_000, min: 1, reason: "until preface, SETTINGS and the ACK of ours have come" },
  headerBlockMs: {
    default: 10_000,
    min: 1,
    reason: "from a frame's or header block's first octet to its last (slowloris)",
  },
  writeStallMs: { default: 30_000, min: 1, reason: "without one octet taken while output waits (CVE-2019-9517)" },
  sendStallMs: {
    default: 120_000,
    min: 1,
    reason: "in which a stream with DATA waiting must take some; the stream is reset (CVE-2019-9511, CVE-2019-9517)",
  },
  sendStallBytes: { default: 1024, reason: "that count as some: a window opened octet by octet is a shut one" },
  idleMs: { default: 300_000, reason: "without a stream, on connections of clients; GOAWAY, then closed; 0: never" },
  maxAgeMs: {
    default: 3_600_000,
    reason: "of connections of clients; GOAWAY, so that they spread again over instances and new addresses; 0: never",
  },
  ageJitterPercent: { default: 10, max: 100, reason: "more or less of maxAgeMs, so that not all come back at once" },
  ageGraceMs: { default: 0, reason: "after maxAgeMs until streams are cut off; 0: never, long calls go on" },
  serverKeepaliveMs: { default: 120_000, min: 1, reason: "of a client's silence until we ask by PING: hosts vanish" },
  clientKeepaliveMs: {
    default: 300_000,
    min: 1,
    reason: "of a server's silence while a call waits; servers close clients that ask more often (gRFC A8)",
  },
  keepaliveTimeoutMs: {
    default: 20_000,
    min: 1,
    reason: "of silence after that PING until the connection counts as lost",
  },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof rows;

/** Counts, octets or milliseconds, as the names say. */
export type Limits = Readonly<Record<LimitName, number>>;

export const limitRows: Readonly<Record<LimitName, Limit>> = rows;

export const defaultLimits: Limits = Object.fromEntries(
  Object.entries(rows).map(([name, row]) => [name, row.default]),
) as Record<LimitName, number>;

/** Why we closed a connection, where it was not a plain protocol error; those bear their code's name. */
export const ForcedClose = {
  HEADER_BLOCK: "header_block_too_large",
  CONTINUATION_FLOOD: "continuation_flood",
  SETTINGS_FLOOD: "settings_flood",
  TOO_MANY_PINGS: "too_many_pings",
  GLITCHES: "glitches",
  CLIENT_RESETS: "client_resets",
  OWN_RESETS: "own_resets",
  CONTROL_QUEUE: "control_queue",
  OUTPUT_QUEUE: "output_queue",
  BUFFERED_BYTES: "buffered_bytes",
  CONNECTIONS: "connections",
  CONNECTIONS_PER_ADDRESS: "connections_per_address",
  HANDSHAKE_TIMEOUT: "handshake_timeout",
  HEADER_TIMEOUT: "header_timeout",
  WRITE_STALL: "write_stall",
  KEEPALIVE_TIMEOUT: "keepalive_timeout",
  MAX_IDLE: "max_idle",
  MAX_AGE: "max_age",
  MAX_AGE_GRACE: "max_age_grace",
  MAX_STREAMS: "max_streams",
  CANCELS: "cancels",
  DRAIN_TIMEOUT: "drain_timeout",
  REBALANCE: "rebalance",
} as const;

/** Why we refused or reset one stream by a limit, on a connection that goes on. */
export const StreamRefusal = {
  CONCURRENT_STREAMS: "concurrent_streams",
  HEADER_LIST: "header_list_too_large",
  BUFFERED_BYTES: "buffered_bytes",
  SEND_STALL: "send_stall",
} as const;

const gracefulReasons: readonly string[] = [ForcedClose.MAX_IDLE, ForcedClose.MAX_AGE, ForcedClose.TOO_MANY_PINGS];

/** GOAWAY's debug text. Of the words that gRPC knows clients expect the word alone (gRFC A8, A9). */
export function goawayText(reason: string, detail: string): string {
  return gracefulReasons.includes(reason) ? reason : `${reason}: ${detail}`;
}
