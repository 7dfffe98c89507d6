// Prints how late the server hears that a call's deadline has passed: `node bench/deadline-cancel.ts [--json]`. The
// path is client, `ferry proxy`, `ferry proxy`, server, each proxy a process of its own; the server never answers. What
// is measured is the time from the client's deadline (its clock, from just before the request is written) to the
// RST_STREAM at the server; client and server are this process, so that there is one clock. The client itself does not
// cancel. On a busy machine the tail is the machine's: three processes wait for a core. Ends with 1 when a cancel never
// came or half of them were over 10 ms late.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type ServerHttp2Stream } from "node:http2";
import { cpus, loadavg } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { percentile } from "./percentile.ts";

const main = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const calls = 500;
/** So many are under way at once; calls start this far apart. */
const everyMs = 5;
const timeoutMs = 100;
const graceMs = 2_000;
const grpc = { "content-type": "application/grpc", te: "trailers" };

const startedAt = new Map<string, number>();
const lateMs: number[] = [];
const server = createServer();
server.on("stream", (stream: ServerHttp2Stream, headers) => {
  const id = String(headers["x-request-id"]);
  stream.on("error", () => {});
  stream.on("close", () => {
    const start = startedAt.get(id);
    startedAt.delete(id);
    if (start !== undefined && stream.rstCode === 8) lateMs.push(performance.now() - start - timeoutMs);
  });
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
const port = typeof address === "object" && address !== null ? address.port : 0;

const inner = await startProxy(`127.0.0.1:${port}`);
const outer = await startProxy(inner.listen);
const client = connect(`http://${outer.listen}`);
for (let i = -20; i < calls; i++) {
  // The first ones only warm up.
  const id = `call-${i}`;
  const stream = client.request(
    { ":method": "POST", ":path": "/s/M", ...grpc, "grpc-timeout": `${timeoutMs}m`, "x-request-id": id },
    { endStream: true },
  );
  if (i >= 0) startedAt.set(id, performance.now());
  stream.on("error", () => {});
  stream.resume();
  await new Promise((resolve) => setTimeout(resolve, everyMs));
}
await new Promise((resolve) => setTimeout(resolve, timeoutMs + graceMs));
client.destroy();
for (const { child } of [outer, inner]) child.kill("SIGTERM");
server.close();

lateMs.sort((a, b) => a - b);
const row = {
  ...{ calls, hops: 2, cancelled: lateMs.length },
  ...{ p50Ms: rounded(0.5), p99Ms: rounded(0.99), maxMs: rounded(1) },
};
if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify({ rows: [row] })}\n`);
else {
  const { p50Ms, p99Ms, maxMs, cancelled } = row;
  const load = `load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores`;
  process.stdout.write(`${cpus()[0]?.model ?? "unknown processor"}, Node ${process.version}, ${load}\n`);
  process.stdout.write(`${cancelled} of ${calls} calls cancelled at the server over ${row.hops} hops; `);
  process.stdout.write(`after the deadline: p50 ${p50Ms} ms, p99 ${p99Ms} ms, max ${maxMs} ms\n`);
}
process.exitCode = row.cancelled === calls && row.p50Ms <= 10 ? 0 : 1;

function rounded(part: number): number {
  return Math.round(percentile(lateMs, part) * 100) / 100;
}

interface Proxy {
  readonly child: ChildProcess;
  readonly listen: string;
}

async function startProxy(upstream: string): Promise<Proxy> {
  const command = [main, "proxy", "--listen", "127.0.0.1:0", "--upstream", upstream, "--json"];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return { child, listen: (JSON.parse(String(line)) as { readonly listen: string }).listen };
}
