// Requests that one party could read otherwise than another: forbidden characters in names, values, pseudo fields and
// trailers, fields of HTTP/1.1's connections, two authorities, content that differs from its length, paths without a
// slash. Each must be reset with PROTOCOL_ERROR, and nothing of it may come to its end at the backend.

import type { AttackClass, Outcome } from "../attack-class.ts";
import { block, Code, callFields, data, headers, type Pair } from "../octets.ts";
import type { RawClient } from "../raw-client.ts";

interface Case {
  readonly name: string;
  /** The frames of the request with this path, on this stream. */
  readonly frames: (path: string, id: number) => readonly Buffer[];
  /** The request's head is good and may reach the backend, but not its end. */
  readonly mayBegin?: boolean;
}

const withField = (name: string, ...fields: readonly Pair[]): Case => ({
  name,
  frames: (path, id) => [headers(id, block(...callFields(path, ...fields)), true)],
});

const withHead = (name: string, head: (path: string) => readonly Pair[]): Case => ({
  name,
  frames: (path, id) => [headers(id, block(...head(path)), true)],
});

const withTrailer = (name: string, trailer: Pair): Case => ({
  ...{ name: `trailer ${name}`, mayBegin: true },
  frames: (path, id) => [headers(id, block(...callFields(path)), false), headers(id, block(trailer), true)],
});

const withContent = (name: string, length: string, ...pieces: readonly string[]): Case => ({
  ...{ name, mayBegin: true },
  frames: (path, id) => [
    headers(id, block(...callFields(path, ["content-length", length])), pieces.length === 0),
    ...pieces.map((piece, i) => data(id, piece, i === pieces.length - 1)),
  ],
});

const without = (pseudo: string, path: string) => callFields(path).filter(([name]) => name !== pseudo);

const characters: readonly Case[] = [
  ...["X-Upper", "x y", "x\0", "x\x7f", "x\x80", "x\xff", "x:y", "", "x\ty", "x\r\ny"].map((name) =>
    withField(`name ${JSON.stringify(name)}`, [name, "1"]),
  ),
  ...["a\rb", "a\nb", "a\0b", " a", "a ", "\ta", "a\t", "a\r\nx: y"].map((value) =>
    withField(`value ${JSON.stringify(value)}`, ["x-value", value]),
  ),
];

const connectionFields: readonly Case[] = [
  withField("connection", ["connection", "close"]),
  withField("keep-alive", ["keep-alive", "timeout=5"]),
  withField("proxy-connection", ["proxy-connection", "close"]),
  withField("transfer-encoding", ["transfer-encoding", "chunked"]),
  withField("upgrade", ["upgrade", "h2c"]),
  withField("te: gzip", ["te", "gzip"]),
  withField("two content-lengths", ["content-length", "0"], ["content-length", "1"]),
  withField("content-length of words", ["content-length", "+1"]),
];

const pseudoFields: readonly Case[] = [
  withField("late :path", [":path", "/late"]),
  withField("unknown pseudo", [":unknown", "1"]),
  withField(":status in a request", [":status", "200"]),
  withHead("two :path", (path) => [[":path", path], ...callFields(path)]),
  withHead("two :method", (path) => [[":method", "GET"], ...callFields(path)]),
  withHead("two :authority", (path) => [[":authority", "other.test"], ...callFields(path)]),
  withHead("no :method", (path) => without(":method", path)),
  withHead("no :scheme", (path) => without(":scheme", path)),
  withHead("empty :path", () => callFields("")),
  withHead("CR LF in :path", (path) => callFields(`${path} HTTP/1.1\r\nhost: x\r\n\r\n`)),
  withHead("space in :path", (path) => callFields(`${path} HTTP/1.1`)),
  withHead("NUL in :path", (path) => callFields(`${path}\0`)),
  withHead("space in :method", (path) => [[":method", "POST / HTTP/1.1"], ...without(":method", path)]),
  withHead("CR LF in :method", (path) => [[":method", "POST\r\nx: y"], ...without(":method", path)]),
  withHead("path in :scheme", (path) => [[":scheme", "http://other.test/?"], ...without(":scheme", path)]),
  withHead("CR LF in :authority", (path) => [...without(":authority", path).slice(0, 3), [":authority", "a\r\nx: y"]]),
  withHead("user in :authority", (path) => authorityOf(path, "user@attack.test")),
  withHead("space in :authority", (path) => authorityOf(path, "attack.test other.test")),
  withField("host differs from :authority", ["host", "other.test"]),
  withHead("two hosts", (path) => [...without(":authority", path), ["host", "a.test"], ["host", "b.test"]]),
];

function authorityOf(path: string, authority: string): readonly Pair[] {
  return callFields(path).map(([name, value]) => (name === ":authority" ? [name, authority] : [name, value]));
}

const trailers: readonly Case[] = [
  withTrailer("pseudo", [":path", "/x"]),
  withTrailer("upper case", ["X-T", "1"]),
  withTrailer("CR LF", ["x-t", "a\r\nb"]),
  withTrailer("connection", ["connection", "close"]),
];

const contents: readonly Case[] = [
  withContent("content-length without content", "5"),
  withContent("content short of content-length", "5", "abc"),
  withContent("content beyond content-length", "5", "abcdefgh"),
  withContent("content beyond content-length, split", "5", "abc", "def", "gh"),
];

const paths: readonly Case[] = ["smuggle", "*", "http://other.test/", "//", "\\x", "?x", "../x"]
  .filter((path) => !path.startsWith("/"))
  .map((path) => withHead(`path ${JSON.stringify(path)}`, () => callFields(path)));

const groups: readonly [name: string, source: string, cases: readonly Case[]][] = [
  ["smuggling-characters", "forbidden octets in names and values", characters],
  ["smuggling-connection-fields", "fields of HTTP/1.1 connections and framing", connectionFields],
  ["smuggling-pseudo-fields", "pseudo fields and authorities", pseudoFields],
  ["smuggling-trailers", "the same in trailers", trailers],
  ["smuggling-content-length", "content that differs from content-length", contents],
  ["path-without-slash", "CVE-2026-33186", paths],
];

export const smuggling: readonly AttackClass[] = groups.map(([name, source, cases]) => ({
  name,
  source,
  play: async (arena) => {
    await arena.backend();
    const problems: string[] = [];
    let client: RawClient | undefined;
    const codes = new Set<string>();
    for (const [i, one] of cases.entries()) {
      // Each on a connection of its own: a budget for broken requests is not what is tried here.
      client = await arena.open();
      client.send(...one.frames(`/${name}/${i}`, 1));
      await client.until(() => client?.resetById.has(1) === true || client?.statuses.has(1) === true, 2000);
      const code = client.resetById.get(1);
      const told = code === undefined ? (client.statuses.get(1) ?? client.goaway?.debug ?? "nothing") : `RST ${code}`;
      codes.add(told);
      if (code !== Code.PROTOCOL_ERROR) problems.push(`${one.name}: ${told}`);
      client.destroy();
    }
    const report = await arena.backend();
    for (const [i, one] of cases.entries()) {
      const isMine = (path: string) =>
        path.startsWith(`/${name}/${i}`) && !/^\d/.test(path.slice(`/${name}/${i}`.length));
      const reached = one.mayBegin === true ? report.finishedPaths : report.strangePaths;
      if (reached.some(isMine)) problems.push(`${one.name}: reached the backend`);
    }
    const strange = name === "path-without-slash" ? report.strangePaths : [];
    for (const path of strange) problems.push(`path ${JSON.stringify(path)} reached the backend`);
    const isReset = [...codes].every((code) => code === `RST ${Code.PROTOCOL_ERROR}`);
    const outcome: Outcome = {
      code: isReset ? "RST_STREAM PROTOCOL_ERROR" : [...codes].join(", "),
      closedMs: null,
      problem: problems.length === 0 ? undefined : problems.join("; "),
    };
    return outcome;
  },
}));

/** HTTP/1.1, with and without the offer to change to HTTP/2 (RFC 7540's h2c, gone in RFC 9113). */
export const upgrade: AttackClass = {
  name: "h2c-upgrade",
  source: "tunnelling by Upgrade: h2c",
  play: async (arena) => {
    const client = await arena.open({ isSilent: true });
    const sinceMs = performance.now();
    const lines = [
      "GET /h2c-upgrade HTTP/1.1",
      "Host: x",
      "Connection: Upgrade, HTTP2-Settings",
      "Upgrade: h2c",
      "HTTP2-Settings: AAA",
      "",
      "",
    ];
    client.send(Buffer.from(lines.join("\r\n")));
    await client.until(() => client.isOver, 2000);
    const { strangePaths } = await arena.backend();
    const closedMs = client.closedMs === undefined ? null : Math.round(client.closedMs - sinceMs);
    const isThrough = strangePaths.includes("/h2c-upgrade");
    const problem = isThrough ? "reached the backend" : client.isOver ? undefined : "not closed";
    return {
      code: client.goaway === undefined ? "closed" : `GOAWAY ${client.goaway.debug.split(":")[0]}`,
      closedMs,
      problem,
    };
  },
};
