// A real gRPC client beside the load: calls through the same peer all the while and looks at what h2load does not, the
// status in the trailers and the payload. A peer that loses trailers or mixes up streams shows here.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import type { LoadTls } from "./wire/load-plan.ts";

export interface ProbeResult {
  /** Calls that reached the peer. */
  readonly calls: number;
  /** What was wrong, one line a call; empty when all was right. */
  readonly problems: readonly string[];
}

const intervalMs = 50;
const deadlineMs = 10_000;

/** Calls `path` on `port` every 50 ms with a payload of its own each, until `stop`; with `tls` by mTLS. */
export class Probe {
  readonly #client: Client;
  readonly #path: string;
  readonly #problems: string[] = [];
  readonly #open = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #calls = 0;

  constructor(port: number, path: string, tls?: LoadTls) {
    const target = `127.0.0.1:${port}`;
    this.#client =
      tls === undefined
        ? new Client(target, credentials.createInsecure())
        : new Client(target, secured(tls), { "grpc.ssl_target_name_override": "localhost" });
    this.#path = path;
    this.#timer = setInterval(() => this.#track(), intervalMs);
    this.#track();
  }

  /** Waits for what is under way. */
  async stop(): Promise<ProbeResult> {
    clearInterval(this.#timer);
    await Promise.all(this.#open);
    this.#client.close();
    return { calls: this.#calls, problems: this.#problems };
  }

  #track(): void {
    const call = this.#call().finally(() => this.#open.delete(call));
    this.#open.add(call);
  }

  #call(): Promise<void> {
    this.#calls++;
    const payload = randomBytes(59);
    const same = (bytes: Buffer) => bytes;
    const options = { deadline: Date.now() + deadlineMs };
    return new Promise((resolve) => {
      const onReply = (error: ServiceError | null, answer?: Buffer) => {
        if (error !== null) this.#problems.push(`${status[error.code]}: ${error.details}`);
        else if (answer === undefined || !answer.equals(payload)) this.#problems.push("another payload than was sent");
        resolve();
      };
      this.#client.makeUnaryRequest(this.#path, same, same, payload, options, onReply);
    });
  }
}

function secured({ caFile, keyFile, certFile }: LoadTls) {
  return credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile));
}
