// One HTTP request to the Consul agent. All of discovery/consul but list-instances.ts, and `ferry apply`, goes through
// here. On node:http, and not on the npm package `consul`: it knows neither chains, config entries, connect-proxies,
// weights nor hash blocking (docs/decisions/0009-consul-package.md).
//
// Guarantees: a status is a value, never an exception; what throws is ConsulUnreachable. The token goes into the header
// and nowhere else.

import { Agent, type IncomingMessage, request } from "node:http";
import type { Clock } from "../../../common/clock.ts";
import type { ConsulAccess } from "../../../common/consul-settings.ts";
import { formatAddress } from "../../../common/settings.ts";

export interface ConsulRequest {
  readonly method?: "GET" | "PUT" | "DELETE";
  /** Behind `/v1/`, escaped, as `health/connect/quote-query`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** From the start to the whole body; default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ConsulReply {
  readonly status: number;
  readonly text: string;
  /** `X-Consul-Index` or `X-Consul-ContentHash`; look at the status before (T3). */
  readonly index: string | undefined;
  readonly contentHash: string | undefined;
  /** Consul left out what the token may not see. */
  readonly isFiltered: boolean;
  /** What no ACL allows is denied. */
  readonly isDefaultDeny: boolean;
}

/** Nobody answered: refused, reset, timed out. */
export class ConsulUnreachable extends Error {
  override readonly name = "ConsulUnreachable";
  /** As `connection refused`. */
  readonly reason: string;

  constructor(where: string, reason: string) {
    super(`${where}: ${reason}`);
    this.reason = reason;
  }
}

/** Consul answered, and said no. The message names what was asked and what it said. */
export class ConsulRefused extends Error {
  override readonly name = "ConsulRefused";
  readonly status: number;
  /** Consul's own words. */
  readonly text: string;

  constructor(where: string, reply: Pick<ConsulReply, "status" | "text">) {
    const text = reply.text.trim() || "no text";
    super(`${where}: ${reply.status} ${text}`);
    this.status = reply.status;
    this.text = text;
  }
}

const defaultTimeoutMs = 10_000;
/** A body that is larger is no answer to any of our questions. */
const maxBodyBytes = 64 << 20;

export class ConsulClient {
  /** As `consul at 127.0.0.1:8500`, for sentences. */
  readonly name: string;
  /** For another client of the same agent; holds the token. */
  readonly access: ConsulAccess;
  readonly #clock: Clock;
  // Idle connections count against the agent's limit of 200 per client address: keep one.
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 1 });

  constructor(access: ConsulAccess, clock: Clock) {
    this.access = access;
    this.#clock = clock;
    this.name = `consul at ${formatAddress(access.address)}`;
  }

  get hasToken(): boolean {
    return this.access.token !== undefined;
  }

  /** Connections open now, blocked queries among them. */
  get connections(): number {
    const count = (sockets: NodeJS.ReadOnlyDict<unknown[]>) =>
      Object.values(sockets).reduce((sum, list) => sum + (list?.length ?? 0), 0);
    return count(this.#agent.sockets) + count(this.#agent.freeSockets);
  }

  /** Rejects with ConsulUnreachable when no whole reply came. */
  ask(asked: ConsulRequest): Promise<ConsulReply> {
    const { method = "GET", path, query = {}, body, timeoutMs = defaultTimeoutMs, signal } = asked;
    const search = new URLSearchParams(query).toString();
    const content = body === undefined ? undefined : JSON.stringify(body);
    const { address, token } = this.access;
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => reject(new ConsulUnreachable(`${this.name}: ${method} ${path}`, reason));
      const sent = request({
        ...{ host: address.host, port: address.port, method, agent: this.#agent },
        path: `/v1/${path}${search === "" ? "" : `?${search}`}`,
        headers: {
          ...(token !== undefined && { "x-consul-token": token }),
          ...(content !== undefined && { "content-type": "application/json" }),
          "content-length": Buffer.byteLength(content ?? ""),
        },
        ...(signal !== undefined && { signal }),
      });
      const timer = this.#clock.after(timeoutMs, () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      sent.on("error", (error) => {
        timer.cancel();
        fail(reasonOf(error));
      });
      sent.on("response", (response) => {
        void readBody(response).then(
          (text) => {
            timer.cancel();
            resolve(replyOf(response, text));
          },
          (error: Error) => {
            timer.cancel();
            sent.destroy();
            fail(reasonOf(error));
          },
        );
      });
      sent.end(content);
    });
  }

  /** The reply's JSON. Rejects with ConsulRefused when the status is not 200. */
  async json(asked: ConsulRequest): Promise<unknown> {
    return JSON.parse((await this.expectOk(asked)).text);
  }

  /** Rejects with ConsulRefused when the status is not 200. */
  async expectOk(asked: ConsulRequest): Promise<ConsulReply> {
    const reply = await this.ask(asked);
    if (reply.status === 200) return reply;
    throw new ConsulRefused(`${this.name}: ${asked.method ?? "GET"} ${asked.path}`, reply);
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length;
    if (bytes > maxBodyBytes) throw new Error(`the answer is larger than ${maxBodyBytes} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function replyOf({ statusCode = 0, headers }: IncomingMessage, text: string): ConsulReply {
  return {
    status: statusCode,
    text,
    index: headerOf(headers["x-consul-index"]),
    contentHash: headerOf(headers["x-consul-contenthash"]),
    isFiltered: headers["x-consul-results-filtered-by-acls"] === "true",
    isDefaultDeny: headers["x-consul-default-acl-policy"] === "deny",
  };
}

function headerOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** As `connection refused`. */
export function reasonOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED") return "connection refused";
  if (code === "ECONNRESET") return "connection closed";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "no such host";
  return error.message;
}
