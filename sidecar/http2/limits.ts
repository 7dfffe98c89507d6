// Every limit of a connection: a row with its default and what it stops. A breach of one of them closes the connection
// (or refuses the stream, where the row says so), under the row's name as the reason in metrics and in GOAWAY's text.
// Rows are RFC 9113 section 10.5's advice made numbers; attacks are named by their CVE.

export interface Limit {
  readonly default: number;
  readonly reason: string;
}

const rows = {
  maxConcurrentStreams: {
    default: 1024,
    reason: "work in flight per connection; one more is refused (REFUSED_STREAM)",
  },
  maxHeaderListBytes: { default: 32_768, reason: "name + value + 32 per field; the stream is refused (CVE-2016-6581)" },
  maxFields: { default: 128, reason: "each field costs more than its octets; the stream is refused (CVE-2026-47774)" },
  maxHeaderBlockBytes: {
    default: 65_536,
    reason: "encoded block held while CONTINUATION frames come (CVE-2024-27316)",
  },
  maxContinuations: { default: 8, reason: "CONTINUATION frames per block, also empty ones (CVE-2024-27983)" },
  maxSettingsEntries: { default: 32, reason: "entries of one SETTINGS frame; ten are defined" },
  settingsBurst: {
    default: 50,
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
  ownResetBurst: { default: 100, reason: "streams that the peer made us reset by breaking a rule (CVE-2025-8671)" },
  ownResetsPerSecond: { default: 10, reason: "the same in the long run" },
  maxQueuedControlFrames: { default: 1000, reason: "answers that wait for a peer that does not read (CVE-2019-9512)" },
  maxQueuedBytes: { default: 4_194_304, reason: "everything that waits for the socket; DATA stops far below" },
  handshakeMs: { default: 10_000, reason: "until preface, SETTINGS and the ACK of ours have come" },
  writeStallMs: { default: 30_000, reason: "without one octet taken while output waits (CVE-2019-9517)" },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof rows;

/** Counts, octets or milliseconds, as the names say. */
export type Limits = Readonly<Record<LimitName, number>>;

export const limitRows: Readonly<Record<LimitName, Limit>> = rows;

export const defaultLimits: Limits = Object.fromEntries(
  Object.entries(rows).map(([name, row]) => [name, row.default]),
) as Record<LimitName, number>;

/** Why a connection was closed by force, where it was not a plain protocol error; the others bear their code's name. */
export const ForcedClose = {
  HEADER_BLOCK: "header_block_too_large",
  CONTINUATION_FLOOD: "continuation_flood",
  SETTINGS_FLOOD: "settings_flood",
  PING_FLOOD: "ping_flood",
  GLITCHES: "glitches",
  CLIENT_RESETS: "client_resets",
  OWN_RESETS: "own_resets",
  CONTROL_QUEUE: "control_queue",
  OUTPUT_QUEUE: "output_queue",
  HANDSHAKE_TIMEOUT: "handshake_timeout",
  WRITE_STALL: "write_stall",
} as const;
