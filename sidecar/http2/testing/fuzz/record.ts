// Makes the corpus anew: `node sidecar/http2/testing/fuzz/record.ts`. Real clients (node:http2 and grpc-js, and nghttp
// and curl where they are installed) talk to real servers of other makes through a relay of TCP that writes down both
// directions. No code of ours speaks here.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { connect, createServer, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { EchoClient, startEchoServer } from "../echo-service.ts";
import { corpusFolder } from "./recording.ts";

/** Relays to `port` what connects to it; the first connection's octets are kept. */
async function recorder(port: number) {
  const client: Buffer[] = [];
  const server: Buffer[] = [];
  const relay = createTcpServer((incoming) => {
    const outgoing = connectTcp(port, "127.0.0.1");
    incoming.on("data", (chunk) => client.push(chunk));
    outgoing.on("data", (chunk) => server.push(chunk));
    incoming.pipe(outgoing).pipe(incoming);
    incoming.on("error", () => outgoing.destroy());
    outgoing.on("error", () => incoming.destroy());
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  return {
    port: (relay.address() as AddressInfo).port,
    save(name: string) {
      relay.close();
      mkdirSync(corpusFolder, { recursive: true });
      writeFileSync(new URL(`${name}.client.bin`, corpusFolder), Buffer.concat(client));
      writeFileSync(new URL(`${name}.server.bin`, corpusFolder), Buffer.concat(server));
      console.log(`${name}: ${Buffer.concat(client).length} and ${Buffer.concat(server).length} octets`);
    },
  };
}

async function record(name: string, port: number, play: (port: number) => Promise<void>): Promise<void> {
  const recording = await recorder(port);
  await play(recording.port);
  recording.save(name);
}

function answerPlain(stream: ServerHttp2Stream, path: string): void {
  stream.on("error", () => {});
  if (path === "/informational") stream.additionalHeaders({ ":status": 103, link: "</x>" });
  stream.once("wantTrailers", () => stream.sendTrailers({ "x-sum": "1" }));
  stream.respond({ ":status": path === "/none" ? 404 : 200, "x-long": "v".repeat(300) }, { waitForTrailers: true });
  stream.on("data", (chunk) => stream.write(chunk));
  stream.on("end", () => stream.end());
}

async function plain(port: number, calls: readonly [path: string, body: number, more?: object][]): Promise<void> {
  const session = connect(`http://127.0.0.1:${port}`);
  for (const [path, body, more] of calls) {
    const stream = session.request({ ":method": body > 0 ? "POST" : "GET", ":path": path, ...more });
    stream.end(body > 0 ? Buffer.alloc(body, 0x61) : undefined);
    stream.resume();
    await once(stream, "close");
  }
  await promisify(session.ping.bind(session) as (callback: (error: Error | null) => void) => void)();
  session.close();
  await once(session, "close");
}

async function grpc(port: number, play: (client: EchoClient) => Promise<unknown>): Promise<void> {
  const client = new EchoClient(port);
  await play(client);
  client.close();
}

const echo = await startEchoServer();
const server = createServer();
server.on("stream", (stream, fields) => answerPlain(stream, String(fields[":path"])));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const plainPort = (server.address() as AddressInfo).port;

await record("node-get", plainPort, (port) =>
  plain(port, [
    ["/", 0],
    ["/none", 0],
    ["/informational", 0],
  ]),
);
await record("node-post", plainPort, (port) =>
  plain(port, [
    ["/echo", 3000, { "content-length": 3000 }],
    ["/echo", 1],
  ]),
);
await record("node-long-header", plainPort, (port) => plain(port, [["/", 0, { "x-long": "w".repeat(20_000) }]]));
await record("grpc-unary", echo.port, (port) =>
  grpc(port, async (client) => {
    for (let i = 0; i < 3; i++) await client.unary(Buffer.from(`call ${i}`));
  }),
);
await record("grpc-parallel", echo.port, (port) =>
  grpc(port, (client) => Promise.all(Array.from({ length: 8 }, (_, i) => client.unary(Buffer.alloc(50 * i))))),
);
await record("grpc-client-stream", echo.port, (port) =>
  grpc(port, (client) => client.clientStream(Array.from({ length: 5 }, (_, i) => Buffer.alloc(200 * i)))),
);
await record("grpc-server-stream", echo.port, (port) => grpc(port, (client) => client.serverStream(6, 500)));
await record("grpc-duplex", echo.port, (port) =>
  grpc(port, async (client) => {
    const call = client.duplex();
    for (let i = 0; i < 4; i++) {
      call.write(Buffer.from(`message ${i}`));
      await once(call, "data");
    }
    call.end();
    call.resume();
    await once(call, "end");
  }),
);
await record("grpc-cancel", echo.port, (port) =>
  grpc(port, async (client) => {
    await client.unary(Buffer.from("first"));
    const sleeping = client.sleeping();
    await client.unary(Buffer.from("second"));
    sleeping.cancel();
    await sleeping.ended;
    await client.unary(Buffer.from("third"));
  }),
);
const form = join(mkdtempSync(join(tmpdir(), "ferry-record-")), "form");
writeFileSync(form, "a=b");
const tools: readonly [name: string, program: string, args: readonly string[]][] = [
  ["nghttp-get", "nghttp", ["-n", "--no-verify-peer"]],
  ["nghttp-post", "nghttp", ["-n", "-d", form, "-H", "cookie: a=b; c=d"]],
  ["curl-post", "curl", ["--silent", "--http2-prior-knowledge", "-d", "a=b", "-o", "/dev/null"]],
];
for (const [name, program, args] of tools) {
  await record(name, plainPort, async (port) => {
    await promisify(execFile)(program, [...args, `http://127.0.0.1:${port}/echo`]);
  }).catch((error: unknown) => console.log(`${name}: not recorded: ${String(error)}`));
}
echo.close();
server.close();
