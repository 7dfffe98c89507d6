import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { makeCertificate } from "../../common/testing/make-certificate.ts";
import { TestingClock } from "../../common/testing-clock.ts";
import { FramePeer, getRequest, headersFrame } from "../http2/testing/frame-peer.ts";
import {
  authority,
  clientMaterial,
  listenTls,
  outcomeOf,
  serverMaterial,
  strangeAuthority,
  type TlsListener,
  tlsClient,
} from "./testing/tls-fixture.ts";
import { ChangingMaterial, type TlsMaterial } from "./tls-material.ts";

const open: TlsListener[] = [];
afterEach(async () => {
  for (const { listening } of open.splice(0)) await listening.drain(0);
});

async function listen(...args: Parameters<typeof listenTls>): Promise<TlsListener> {
  const listener = await listenTls(...args);
  open.push(listener);
  return listener;
}

/** A plaintext connection that has said nothing yet; what it receives is dropped. */
async function silent(port: number) {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.on("data", () => {});
  await once(socket, "connect");
  return { socket, closed: once(socket, "close") };
}

describe("a TLS listener agrees on h2 and TLS 1.2 or newer", () => {
  test.each([
    ["TLSv1.2", {}],
    ["TLSv1.3", {}],
    ["TLSv1.3", { ALPNProtocols: ["http/1.1", "h2"] }],
  ] as const)("%s and h2 are taken", async (version, options) => {
    const { listening, closes } = await listen();
    const socket = tlsClient(listening.port, {
      ...options,
      ...("ALPNProtocols" in options ? { ALPNProtocols: [...options.ALPNProtocols] } : {}),
      minVersion: version,
      maxVersion: version,
    });
    await once(socket, "secureConnect");
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual([version, "h2"]);
    const peer = new FramePeer(socket, false);
    peer.send(headersFrame(1, getRequest, { end: true }));
    expect((await peer.next("HEADERS")).fields).toEqual([":status: 200"]);
    peer.close();
    await peer.closed;
    expect(closes).toEqual([]);
  });

  test.each([[["http/1.1"]], [["h2c"]], [["h2c", "http/1.1"]]])("a client with ALPN %j is refused", async (offered) => {
    const { listening, closes } = await listen();
    const end = await outcomeOf(tlsClient(listening.port, { ALPNProtocols: offered }));
    expect(end).toEqual({ protocol: "", end: "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL" });
    expect(closes).toEqual(["tls_alpn: it does not offer HTTP/2 over TLS (ALPN h2) (ERR_SSL_NO_APPLICATION_PROTOCOL)"]);
  });

  test("a client without ALPN is closed before HTTP/2 begins", async () => {
    const { listening, closes } = await listen();
    const socket = tlsClient(listening.port, { ALPNProtocols: undefined } as object);
    let received = 0;
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    await once(socket, "close");
    expect(received).toBe(0);
    expect(closes).toEqual(["tls_alpn: the client offers no ALPN"]);
    expect(listening.connections).toBe(0);
  });

  test("TLS 1.1 is refused", async () => {
    const { listening, closes } = await listen();
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" } as const;
    const { protocol, end } = await outcomeOf(tlsClient(listening.port, old));
    expect([protocol, end]).toEqual(["", "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"]);
    expect(closes[0]).toMatch(/^tls_handshake_failed: it offers no TLS version from 1\.2 on/);
  });

  test("a cipher suite of TLS 1.2 that RFC 9113 prohibits is refused", async () => {
    const { listening, closes } = await listen();
    const weak = { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256" } as const;
    const { protocol } = await outcomeOf(tlsClient(listening.port, weak));
    expect(protocol).toBe("");
    expect(closes[0]).toMatch(/^tls_handshake_failed: no cipher suite is common/);
  });

  test("a renegotiation under TLS 1.2 ends the connection", async () => {
    const { listening, closes } = await listen();
    const socket = tlsClient(listening.port, { maxVersion: "TLSv1.2" });
    await once(socket, "secureConnect");
    socket.resume();
    socket.renegotiate({}, () => {});
    await once(socket, "end");
    expect(closes).toEqual(["tls_renegotiation: the client began a second handshake"]);
    socket.destroy();
  });

  test.each([
    ["HTTP/2 with prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["HTTP/1.1", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"],
  ])("plaintext %s is closed", async (_what, text) => {
    const { listening, closes } = await listen();
    const { socket, closed } = await silent(listening.port);
    socket.write(text);
    await closed;
    expect(closes[0]).toMatch(/^tls_handshake_failed: it does not speak TLS/);
  });
});

describe("a handshake is bounded", () => {
  test("one that says nothing, or a part, is closed after 10 s; each octet does not prolong it", async () => {
    const clock = new TestingClock();
    const { listening, closes } = await listen({}, { clock });
    const mute = await silent(listening.port);
    const slow = await silent(listening.port);
    // The beginning of a ClientHello, an octet every two seconds.
    for (const octet of [0x16, 0x03, 0x01, 0x02]) {
      slow.socket.write(Buffer.of(octet));
      await clock.advance(2000);
    }
    expect(closes).toEqual([]);
    await clock.advance(2000);
    await Promise.all([mute.closed, slow.closed]);
    expect(closes).toEqual(Array(2).fill("tls_handshake_timeout: TLS handshake took longer than 10000 ms"));
    expect(clock.pendingTimers).toBe(0);
  });

  test("above the cap the oldest one is closed, the newest and those that are done go on", async () => {
    const { listening, closes } = await listen({ maxPendingHandshakes: 2 });
    const done = tlsClient(listening.port);
    await once(done, "secureConnect");
    const [first, second, third] = [
      await silent(listening.port),
      await silent(listening.port),
      await silent(listening.port),
    ];
    await first.closed;
    expect(closes).toEqual(["tls_handshake_queue: 2 handshakes are under way, this is the oldest"]);
    expect([done.destroyed, second.socket.destroyed, third.socket.destroyed]).toEqual([false, false, false]);
    for (const { socket } of [second, third]) socket.destroy();
    done.destroy();
  });

  test.each(["resets", "ends"])(
    "a client that %s its connection leaves nothing and is no forced close",
    async (how) => {
      const clock = new TestingClock();
      const { listening, closes } = await listen({}, { clock });
      const { socket, closed } = await silent(listening.port);
      socket.write(Buffer.of(0x16, 0x03, 0x01));
      await expect.poll(() => clock.pendingTimers).toBe(1);
      if (how === "resets") socket.resetAndDestroy();
      else socket.end();
      await closed;
      await expect.poll(() => clock.pendingTimers).toBe(0);
      expect(closes).toEqual([]);
    },
  );

  test("a drain ends handshakes that stand still after 1 s and waits for no longer", async () => {
    const clock = new TestingClock();
    const { listening } = await listenTls({}, { clock });
    const { closed } = await silent(listening.port);
    await expect.poll(() => clock.pendingTimers).toBe(1);
    const drained = listening.drain(30_000);
    await clock.advance(1000);
    await Promise.all([closed, drained]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("material that changes", () => {
  test("counts for new connections; the old ones go on, and no session of old material is resumed", async () => {
    const { listening, material } = await listen();
    const before = tlsClient(listening.port);
    let session: Buffer | undefined;
    before.on("session", (made: Buffer) => {
      session = made;
    });
    await once(before, "secureConnect");
    const peer = new FramePeer(before, false);
    await peer.settled();
    await expect.poll(() => session).toBeDefined();
    expect(before.getPeerCertificate().subject.CN).toBe("server");

    material.replace({ ...serverMaterial("renewed"), ca: authority.cert });
    const after = tlsClient(listening.port, { session } as object);
    await once(after, "secureConnect");
    expect([after.getPeerCertificate().subject.CN, after.isSessionReused()]).toEqual(["renewed", false]);
    peer.send(headersFrame(1, getRequest, { end: true }));
    expect((await peer.next("HEADERS")).fields).toEqual([":status: 200"]);
    for (const socket of [before, after]) socket.destroy();
  });

  test("that OpenSSL refuses keeps the old, with a reason", async () => {
    const { listening, material, closes } = await listen();
    material.replace({ cert: serverMaterial().cert, key: serverMaterial().key });
    expect(closes).toEqual(["tls_material: new TLS material refused: key values mismatch"]);
    const socket = tlsClient(listening.port);
    await once(socket, "secureConnect");
    socket.destroy();
  });

  test("that OpenSSL refuses at the start rejects", async () => {
    const source = new ChangingMaterial<TlsMaterial>({ cert: serverMaterial().cert, key: serverMaterial().key });
    await expect(listenTls({ source })).rejects.toThrow(/key values mismatch/);
  });
});

describe("client certificates that are required", () => {
  const required = { clientCertificates: "required" } as const;

  test("what the client proved comes with its requests as data", async () => {
    const { listening, remotes } = await listen(required);
    const socket = tlsClient(listening.port, clientMaterial("quote-query"));
    await once(socket, "secureConnect");
    const peer = new FramePeer(socket, false);
    peer.send(headersFrame(1, getRequest, { end: true }));
    await peer.next("HEADERS");
    expect(remotes[0]?.certificate).toMatchObject({
      spiffeId: "spiffe://test/ns/default/dc/dc1/svc/quote-query",
      subject: "CN=quote-query",
    });
    peer.close();
  });

  test("a resumed session proves what the first one did", async () => {
    const { listening, remotes } = await listen(required);
    const shown = clientMaterial("quote-query");
    let session: Buffer | undefined;
    const request = async () => {
      const socket = tlsClient(listening.port, { ...shown, session } as object);
      socket.on("session", (made: Buffer) => {
        session = made;
      });
      await once(socket, "secureConnect");
      const peer = new FramePeer(socket, false);
      peer.send(headersFrame(1, getRequest, { end: true }));
      await peer.next("HEADERS");
      const isResumed = socket.isSessionReused();
      peer.close();
      return isResumed;
    };
    expect(await request()).toBe(false);
    await expect.poll(request).toBe(true);
    expect(remotes.at(-1)?.certificate?.spiffeId).toBe("spiffe://test/ns/default/dc/dc1/svc/quote-query");
  });

  test("a client without one is refused", async () => {
    const { listening, closes } = await listen(required);
    const { end } = await outcomeOf(tlsClient(listening.port));
    expect(end).toBe("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED");
    expect(closes[0]).toMatch(/^tls_client_certificate: client certificate: it showed no certificate/);
  });

  test("one of another authority, or of none, is refused before a request is taken", async () => {
    const { listening, closes, remotes } = await listen(required);
    for (const shown of [clientMaterial("a", strangeAuthority), makeCertificate({ commonName: "self" })]) {
      const socket = tlsClient(listening.port, shown);
      await once(socket, "secureConnect");
      const peer = new FramePeer(socket, false);
      peer.send(headersFrame(1, getRequest, { end: true }));
      await peer.closed;
    }
    expect(remotes).toEqual([]);
    expect(closes.map((close) => close.split(":")[0])).toEqual(Array(2).fill("tls_client_certificate"));
  });

  test("without an authority to verify them the listener does not start", async () => {
    const source = new ChangingMaterial<TlsMaterial>(serverMaterial());
    await expect(listenTls({ ...required, source })).rejects.toThrow(/no authority is given/);
  });
});
