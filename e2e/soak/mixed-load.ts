// The load of the soak: echoes of random bodies, long responses, a reader that takes its time, calls that are given up,
// and connections that come and go, some in the middle of a call. Every body is compared; what this load itself broke
// off is counted apart and is no error.

import { createHash, randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";

export interface LoadCounts {
  calls: number;
  /** Ended well, with another body than was due. */
  wrong: number;
  /** Given up by this load. */
  cancelled: number;
  /**
   * Uploads that the backend's GOAWAY refused and that were longer than what the proxy keeps to send again: the caller
   * is told that nothing ran (UNAVAILABLE, `refused`), and may do it.
   */
  refusedUploads: number;
  connections: number;
  bytes: number;
  /** What went wrong otherwise, with how often. */
  readonly errors: Map<string, number>;
}

interface Ended {
  readonly ok: boolean;
  readonly error: string;
  readonly digest: string;
  readonly bytes: number;
}

const filler = 0x62;
const callTimeoutMs = 30_000;
/** FERRY_MAX_REPLAY_BYTES by default. */
const maxReplayBytes = 65_536;

export class MixedLoad {
  readonly counts: LoadCounts = {
    calls: 0,
    wrong: 0,
    cancelled: 0,
    refusedUploads: 0,
    connections: 0,
    bytes: 0,
    errors: new Map(),
  };
  readonly #url: string;
  readonly #running: Promise<void>[] = [];
  readonly #digests = new Map<number, string>();
  #isOver = false;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}`;
  }

  start(): void {
    for (let n = 0; n < 4; n++) this.#running.push(this.#steady());
    for (let n = 0; n < 2; n++) this.#running.push(this.#churn());
    this.#running.push(this.#slowReader());
  }

  /** Resolves when every call has ended. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  /** A connection that stays: one call after the other and a few side by side. */
  async #steady(): Promise<void> {
    const session = this.#open();
    while (!this.#isOver) {
      const kind = randomInt(100);
      if (kind < 60) await this.#echo(session, randomInt(0, 4096));
      else if (kind < 75) await this.#echo(session, randomInt(0, 60_000));
      else if (kind < 77) await this.#echo(session, randomInt(500_000, 2_000_000));
      else if (kind < 90) await this.#download(session, randomInt(1, 400_000));
      else if (kind < 95) await Promise.all(Array.from({ length: 20 }, () => this.#echo(session, randomInt(0, 2000))));
      else await this.#giveUp(session);
      await new Promise((resolve) => setTimeout(resolve, randomInt(1, 12)));
    }
    session.close();
    await once(session, "close");
  }

  /** Connections of a few calls; every third is torn down while one is under way. */
  async #churn(): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      const session = this.#open();
      for (let i = randomInt(0, 4); i > 0; i--) await this.#echo(session, randomInt(0, 10_000));
      if (n % 3 === 0) {
        const stream = this.#request(session, "/bytes/5000000");
        await Promise.race([once(stream, "data"), once(stream, "close")]).catch(() => {});
        this.counts.cancelled++;
        session.destroy();
      } else {
        session.close();
        await once(session, "close");
      }
      await new Promise((resolve) => setTimeout(resolve, randomInt(20, 120)));
    }
  }

  /** Takes a long response in sips. */
  async #slowReader(): Promise<void> {
    while (!this.#isOver) {
      const session = this.#open();
      await this.#download(session, 2_000_000, 20);
      session.close();
      await once(session, "close");
    }
  }

  #open(): ClientHttp2Session {
    this.counts.connections++;
    const session = connect(this.#url);
    session.on("error", () => {});
    return session;
  }

  #request(session: ClientHttp2Session, path: string): ClientHttp2Stream {
    const stream = session.request({
      ...{ ":method": "POST", ":path": path, te: "trailers", "content-type": "application/grpc" },
    });
    stream.on("error", () => {});
    return stream;
  }

  async #echo(session: ClientHttp2Session, size: number): Promise<void> {
    const body = randomBytes(size);
    const stream = this.#request(session, "/echo");
    stream.end(body);
    const ended = await this.#ended(stream, 0);
    if (size > maxReplayBytes && ended.error.endsWith(" refused")) {
      this.counts.refusedUploads++;
      return;
    }
    this.#judge("echo", ended, createHash("sha256").update(body).digest("hex"));
  }

  async #download(session: ClientHttp2Session, size: number, pauseMs = 0): Promise<void> {
    const stream = this.#request(session, `/bytes/${size}`);
    stream.end();
    this.#judge("download", await this.#ended(stream, pauseMs), this.#digestOf(size));
  }

  async #giveUp(session: ClientHttp2Session): Promise<void> {
    const stream = this.#request(session, randomInt(2) === 0 ? "/hang" : "/bytes/3000000");
    stream.end();
    await new Promise((resolve) => setTimeout(resolve, randomInt(0, 40)));
    stream.close(constants.NGHTTP2_CANCEL);
    this.counts.cancelled++;
    await once(stream, "close").catch(() => {});
  }

  #judge(what: string, ended: Ended, digest: string): void {
    this.counts.calls++;
    this.counts.bytes += ended.bytes;
    const error = `${what}: ${ended.error}`;
    if (!ended.ok) this.counts.errors.set(error, (this.counts.errors.get(error) ?? 0) + 1);
    else if (ended.digest !== digest) this.counts.wrong++;
  }

  #digestOf(size: number): string {
    const known = this.#digests.get(size);
    if (known !== undefined) return known;
    const digest = createHash("sha256").update(Buffer.alloc(size, filler)).digest("hex");
    if (this.#digests.size < 1000) this.#digests.set(size, digest);
    return digest;
  }

  async #ended(stream: ClientHttp2Stream, pauseMs: number): Promise<Ended> {
    const hash = createHash("sha256");
    let bytes = 0;
    let status: unknown;
    let grpcStatus: unknown;
    let said = "";
    stream.on("response", (fields) => {
      status = fields[":status"];
      grpcStatus = fields["grpc-status"];
      if (grpcStatus !== undefined) said = ` ${fields["x-ferry-failure"]}`;
    });
    stream.on("trailers", (fields) => {
      grpcStatus = fields["grpc-status"];
    });
    let pause: NodeJS.Timeout | undefined;
    stream.on("data", (chunk: Buffer) => {
      hash.update(chunk);
      bytes += chunk.length;
      if (pauseMs === 0) return;
      stream.pause();
      pause = setTimeout(() => stream.resume(), pauseMs);
    });
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      stream.close(constants.NGHTTP2_CANCEL);
    }, callTimeoutMs);
    await new Promise((resolve) => stream.once("close", resolve));
    clearTimeout(late);
    clearTimeout(pause);
    const ok = status === 200 && grpcStatus === "0" && stream.rstCode === 0;
    const why = isLate ? "not ended in 30 s" : `status ${status}, grpc-status ${grpcStatus}, reset ${stream.rstCode}`;
    return { ok, error: `${why}${said}`, digest: hash.digest("hex"), bytes };
  }
}
