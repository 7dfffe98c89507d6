// Attacks before HTTP/2 begins: TLS handshakes that do not go on, and clients that do not speak TLS of today or HTTP/2
// in it. Against a `ferry proxy` of their own with a certificate made for the occasion; its memory is read here.

import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { makeCertificate } from "../../../common/testing/make-certificate.ts";
import { type Running, startFerry } from "../../testing/ferry.ts";
import type { AttackClass, Outcome } from "../attack-class.ts";
import { maxGrowthMb } from "../play.ts";

/** For a timeout of 10 s, with room for a busy machine. */
const patienceMs = 16_000;
const stalledHandshakes = 50;

interface TlsProxy {
  readonly port: number;
  readonly proxy: Running;
  stop(): Promise<void>;
}

async function startTlsProxy(): Promise<TlsProxy> {
  const folder = mkdtempSync(join(tmpdir(), "ferry-attack-"));
  const { cert, key } = makeCertificate({ commonName: "attack.test", dns: ["attack.test"] });
  const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key);
  // Nobody gets as far as the upstream.
  const args = ["proxy", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:9", "--json"];
  const proxy = startFerry([...args, "--tls-cert", files.cert, "--tls-key", files.key]);
  const { listen } = await proxy.event("ready", 20_000);
  return {
    port: Number(listen.split(":")[1]),
    proxy,
    async stop() {
      proxy.signal("SIGTERM");
      await proxy.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function rssMb({ proxy }: TlsProxy): number {
  const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${proxy.pid}/status`, "utf8"))?.[1] ?? 0);
  return (kib * 1024) / 1e6;
}

/** A ClientHello as node:tls sends it. */
async function recordHello(): Promise<Buffer> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const client = connectTls({ port, host: "127.0.0.1", ALPNProtocols: ["h2"], rejectUnauthorized: false });
  client.on("error", () => {});
  const [socket]: Socket[] = await once(server, "connection");
  const [hello]: Buffer[] = await once(socket!, "data");
  client.destroy();
  socket!.destroy();
  server.close();
  return hello!;
}

const handshakes: readonly [name: string, isTrickling: boolean][] = [
  ["slowloris-tls-silent", false],
  ["slowloris-tls-handshake", true],
];

export const tlsHandshakes: readonly AttackClass[] = handshakes.map(([name, isTrickling]) => ({
  ...{ name, source: "slowloris", isSlow: true, isLong: true },
  play: async (arena) => {
    const target = await startTlsProxy();
    try {
      const hello = isTrickling ? await recordHello() : Buffer.alloc(0);
      const beforeMb = rssMb(target);
      const sinceMs = performance.now();
      const ends = Array.from({ length: stalledHandshakes }, () => stall(target.port, hello));
      await arena.readMemory();
      await Promise.race([Promise.all(ends), new Promise((resolve) => setTimeout(resolve, patienceMs))]);
      const closedMs = Math.round(performance.now() - sinceMs);
      const growthMb = rssMb(target) - beforeMb;
      arena.log(
        `${stalledHandshakes} handshakes held, the proxy grew by ${growthMb.toFixed(1)} MB without a collection`,
      );
      if (closedMs >= patienceMs) return { code: "none", closedMs: null, problem: `not closed in ${patienceMs} ms` };
      const problem = growthMb < maxGrowthMb ? undefined : `memory grew by ${growthMb.toFixed(1)} MB`;
      return { code: "closed", closedMs, problem };
    } finally {
      await target.stop();
    }
  },
}));

/** Resolves when the proxy closes. */
async function stall(port: number, hello: Buffer): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  let at = 0;
  const trickle = setInterval(() => {
    if (at < hello.length - 1) socket.write(hello.subarray(at, at + 1));
    at++;
  }, 300);
  await new Promise((resolve) => socket.once("end", resolve).once("close", resolve));
  clearInterval(trickle);
  socket.destroy();
}

const offers: readonly [what: string, options: ConnectionOptions][] = [
  ["no ALPN", {}],
  ["ALPN http/1.1", { ALPNProtocols: ["http/1.1"] }],
  ["ALPN h2c", { ALPNProtocols: ["h2c"] }],
  ["TLS 1.1", { ALPNProtocols: ["h2"], minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" }],
];

export const tlsOffers: AttackClass = {
  name: "tls-without-h2",
  source: "clients that offer no h2, or TLS of yesterday",
  isLong: true,
  play: async () => {
    const target = await startTlsProxy();
    try {
      const sinceMs = performance.now();
      const problems: string[] = [];
      for (const [what, options] of offers) {
        const isClosed = await refused(target.port, options);
        if (!isClosed) problems.push(`${what}: not refused`);
      }
      const closedMs = Math.round(performance.now() - sinceMs);
      const outcome: Outcome = { code: "closed", closedMs, problem: problems.join("; ") || undefined };
      return outcome;
    } finally {
      await target.stop();
    }
  },
};

/** The handshake fails, or the proxy closes before it says anything of HTTP/2. */
async function refused(port: number, options: ConnectionOptions): Promise<boolean> {
  const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
  let heard = 0;
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    heard += chunk.length;
  });
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), 3000);
  const isOver = await Promise.race([once(socket, "close").then(() => true), late.promise]).catch(() => true);
  clearTimeout(timer);
  socket.destroy();
  return isOver && heard === 0;
}
