import { once } from "node:events";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { TestingClock } from "../../common/testing-clock.ts";
import { ErrorCode, type StreamError } from "../http2/error-code.ts";
import { FramePeer } from "../http2/testing/frame-peer.ts";
import {
  authority,
  clientMaterial,
  listenTls,
  serverMaterial,
  strangeAuthority,
  type TlsListener,
} from "./testing/tls-fixture.ts";
import { type TlsDialOptions, tlsDialer } from "./tls-dial.ts";
import { ChangingMaterial, type DialMaterial } from "./tls-material.ts";

const servers: (TlsListener["listening"] | Server)[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) {
    if ("drain" in server) await server.drain(0);
    else server.close();
  }
});

async function listen(...args: Parameters<typeof listenTls>): Promise<TlsListener> {
  const listener = await listenTls(...args);
  servers.push(listener.listening);
  return listener;
}

/** A server of node:tls or node:net; resolves with its port. */
async function serve(server: Server): Promise<number> {
  server.on("connection", (socket: Socket) => sockets.push(socket));
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push(server);
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : 0;
}

const serveTls = (options: TlsOptions, onSocket: (socket: TLSSocket) => void = () => {}) =>
  serve(createTlsServer({ ...serverMaterial(), ...options }, onSocket));

const trusting = (material: DialMaterial = { ca: authority.cert }) => new ChangingMaterial<DialMaterial>(material);

function dial(port: number, options: Partial<TlsDialOptions> = {}, clock = systemClock, host = "127.0.0.1") {
  return tlsDialer(clock, { source: trusting(), ...options })(host, port, 5000);
}

async function refusal(dialled: Promise<unknown>): Promise<StreamError> {
  return dialled.then(
    () => {
      throw new Error("it was connected");
    },
    (error: StreamError) => error,
  );
}

describe("a TLS dial", () => {
  test("ends in a connection that takes requests", async () => {
    const { listening } = await listen();
    const connection = await dial(listening.port);
    expect(connection.state).toBe("open");
    await connection.drain();
  });

  test("sends the name that it dials by SNI, an address never", async () => {
    const names: (string | false | null)[] = [];
    const port = await serveTls({ ALPNProtocols: ["h2"] }, (socket) => {
      names.push(socket.servername);
      new FramePeer(socket, true);
    });
    for (const connection of [
      await dial(port, {}, systemClock, "localhost"),
      await dial(port),
      await dial(port, { serverName: "localhost" }),
    ]) {
      connection.destroy();
    }
    expect(names).toEqual(["localhost", false, "localhost"]);
  });

  test.each([
    ["that has no ALPN", {}, ""],
    ["that takes http/1.1 only", { ALPNProtocols: ["http/1.1"] }, " (ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL)"],
  ])("a server %s is refused before anything is sent to it", async (_what, options, code) => {
    let received = 0;
    const port = await serveTls(options, (socket) => {
      socket.on("data", (chunk: Buffer) => {
        received += chunk.length;
      });
      socket.on("error", () => {});
    });
    const error = await refusal(dial(port));
    expect(error).toMatchObject({ code: ErrorCode.CONNECT_ERROR, initiator: "connection", neverProcessed: true });
    expect(error.message).toBe(`127.0.0.1:${port}: it does not take HTTP/2 over TLS (ALPN h2)${code}`);
    expect(received).toBe(0);
  });

  test("a server that speaks plaintext is named as that", async () => {
    const port = await serve(createTcpServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
    expect((await refusal(dial(port))).message).toMatch(/: it does not speak TLS \(ERR_SSL_WRONG_VERSION_NUMBER\)$/);
  });

  test("a server that closes in the handshake is named as that", async () => {
    const port = await serve(createTcpServer((socket) => socket.destroy()));
    expect((await refusal(dial(port))).message).toMatch(/: it closed during the TLS handshake \(ECONNRESET\)$/);
  });

  test("a server whose authority is not trusted is refused, in words", async () => {
    const { listening } = await listen();
    const error = await refusal(dial(listening.port, { source: trusting({ ca: strangeAuthority.cert }) }));
    expect(error).toMatchObject({ code: ErrorCode.CONNECT_ERROR, neverProcessed: true });
    expect(error.message).toMatch(/: its certificate is from an authority that is not trusted here \(/);
    const bySystem = await refusal(dial(listening.port, { source: trusting({}) }));
    expect(bySystem.message).toMatch(/: its certificate is from an authority that is not trusted here \(/);
  });

  test("a certificate for another name is refused; with the right name it is taken", async () => {
    const { listening, material } = await listen();
    material.replace(clientMaterial("nobody"));
    const dialer = tlsDialer(systemClock, { source: trusting() });
    // A session of a server that was refused must not be resumed: that would skip the look at the name.
    for (let i = 0; i < 3; i++) await refusal(dialer("127.0.0.1", listening.port, 5000));
    const error = await refusal(dialer("127.0.0.1", listening.port, 5000));
    expect(error.message).toMatch(/: its certificate is for another name: .*127\.0\.0\.1.* \(ERR_TLS_CERT_ALTNAME/);
    material.replace(serverMaterial());
    const wrong = await refusal(dial(listening.port, { serverName: "other.test" }));
    expect(wrong.message).toMatch(/is for another name: .*other\.test/);
    (await dial(listening.port, { serverName: "localhost" })).destroy();
  });

  test("the caller's own check decides in place of the name", async () => {
    const { listening, material } = await listen();
    material.replace(clientMaterial("quote-query"));
    const expecting = (id: string) => ({
      checkPeer: ({ spiffeId }: { spiffeId: string | undefined }) =>
        spiffeId === `spiffe://test/ns/default/dc/dc1/svc/${id}` ? undefined : `it is ${spiffeId}, not ${id}`,
    });
    const dialer = tlsDialer(systemClock, { source: trusting(), ...expecting("quote-query") });
    // The later ones resume the first one's session, which does not show the certificate again.
    for (let i = 0; i < 5; i++) (await dialer("127.0.0.1", listening.port, 5000)).destroy();
    expect((await refusal(dial(listening.port, expecting("quote-command")))).message).toMatch(
      /: it is spiffe:.*quote-query, not quote-command$/,
    );
  });
});

describe("the time of a dial", () => {
  test.each([
    ["a server that never answers the handshake", () => serve(createTcpServer())],
    [
      "a server that never sends SETTINGS",
      () => serveTls({ ALPNProtocols: ["h2"] }, (socket) => void new FramePeer(socket, true, { isSilent: true })),
    ],
  ])("covers %s", async (_what, start) => {
    const clock = new TestingClock();
    const port = await start();
    const failed = refusal(dial(port, {}, clock));
    await expect.poll(() => sockets.length).toBeGreaterThan(0);
    await clock.advance(5000);
    expect(await failed).toMatchObject({
      code: ErrorCode.SETTINGS_TIMEOUT,
      neverProcessed: true,
      message: `127.0.0.1:${port}: connect timed out after 5000 ms`,
    });
    await expect.poll(() => clock.pendingTimers).toBe(0);
  });
});

describe("a client certificate", () => {
  test("is shown to a server that demands one", async () => {
    const { listening } = await listen({ clientCertificates: "required" });
    const source = trusting({ ...clientMaterial("gateway"), ca: authority.cert });
    (await dial(listening.port, { source })).destroy();
  });

  test("that is missing or refused fails the dial, in words", async () => {
    const { listening } = await listen({ clientCertificates: "required" });
    const missing = await refusal(dial(listening.port));
    expect(missing).toMatchObject({ code: ErrorCode.CONNECT_ERROR, neverProcessed: true });
    expect(missing.message).toMatch(/: it demands a client certificate \(ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED\)$/);
    const source = trusting({ ...clientMaterial("gateway", strangeAuthority), ca: authority.cert });
    // Node closes without an alert, as after any other loss.
    expect((await refusal(dial(listening.port, { source }))).message).toMatch(/: closed before it answered$/);
  });
});

describe("material that changes", () => {
  test("counts for the next dial, and the session of the old is not resumed", async () => {
    const reused: boolean[] = [];
    const port = await serveTls({ ALPNProtocols: ["h2"] }, (socket) => {
      reused.push(socket.isSessionReused());
      new FramePeer(socket, true);
    });
    const source = trusting();
    const dialer = tlsDialer(systemClock, { source });
    const first = await dialer("127.0.0.1", port, 5000);
    // A server may send its ticket after its SETTINGS.
    const dialAgain = async () => {
      (await dialer("127.0.0.1", port, 5000)).destroy();
      return reused.at(-1);
    };
    await expect.poll(dialAgain).toBe(true);
    source.replace({ ca: strangeAuthority.cert });
    await expect(dialer("127.0.0.1", port, 5000)).rejects.toThrow(/not trusted here/);
    source.replace({ ca: authority.cert });
    expect(await dialAgain()).toBe(false);
    expect(first.state).toBe("open");
    first.destroy();
  });

  test("that OpenSSL refuses keeps the old, with a reason", async () => {
    const { listening } = await listen();
    const source = trusting();
    const closes: string[] = [];
    const onForcedClose = (reason: string, detail: string) => closes.push(`${reason}: ${detail}`);
    const dialer = tlsDialer(systemClock, { source, onForcedClose });
    source.replace({ cert: serverMaterial().cert, key: serverMaterial().key });
    expect(closes).toEqual(["tls_material: new TLS material refused: key values mismatch"]);
    (await dialer("127.0.0.1", listening.port, 5000)).destroy();
  });
});
