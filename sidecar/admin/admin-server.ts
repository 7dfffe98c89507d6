// The sidecar's door for its operator: liveness, readiness, metrics, a dump of what is in force, and the admin service
// that `ferry status` asks. One HTTP/1.1 server on loopback; it has no passwords, so it refuses other addresses unless
// told, and requests that a web page could have made the browser send (DNS rebinding, foreign origins).

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, isIP } from "node:net";
import { prometheusContentType, prometheusText } from "../telemetry/prometheus-text.ts";
import { adminMethods } from "./admin-json.ts";
import type { RequestHandler } from "./admin-service.ts";
import type { AdminSource } from "./admin-source.ts";

export interface AdminServerParams {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Lets it listen where other machines can reach it. Default false. */
  readonly mayLeaveLoopback?: boolean;
}

export interface AdminServer {
  readonly host: string;
  readonly port: number;
  /** Ends every connection. Idempotent. */
  close(): Promise<void>;
}

/** Rejects with a sentence for an address that is not loopback, and with the OS error (EADDRINUSE) untouched. */
export async function startAdminServer(params: AdminServerParams, source: AdminSource): Promise<AdminServer> {
  const { host, port, mayLeaveLoopback = false } = params;
  if (!isLoopback(host) && !mayLeaveLoopback) {
    throw new Error(`admin server: ${host} is not a loopback address, and the admin server has no authentication`);
  }
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 5_000 });
  server.maxConnections = 128;
  server.on("request", handlerFor(source));
  // The admin server never keeps a process alive that has nothing else to do.
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve());
  });
  const address = server.address() as AddressInfo;
  return { host: address.address, port: address.port, close: () => close(server) };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

const servicePrefix = "/ferry.admin.v1.AdminService/";

function handlerFor(source: AdminSource): RequestHandler {
  let service: Promise<RequestHandler> | undefined;

  return function handle(request, response) {
    const refusal = refusalOf(request);
    const path = (request.url ?? "/").split("?", 1)[0]!;
    if (refusal !== undefined) {
      send(response, { status: 403, text: refusal });
    } else if (path.startsWith(servicePrefix)) {
      const answer = isConnectJson(request) ? adminMethods.get(path.slice(servicePrefix.length)) : undefined;
      if (answer !== undefined) {
        // What the request says is not read: no request of this service has a field.
        request.resume();
        const page = () => ({ status: 200, text: answer(source), type: "application/json" });
        void source.refresh("state").then(() => send(response, page()));
        return;
      }
      service ??= import("./admin-service.ts").then(({ adminService }) => adminService(source));
      service.then(
        (serve) => serve(request, response),
        () => send(response, { status: 500, text: "the admin service cannot be loaded" }),
      );
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      send(response, { status: 405, text: "only GET here" });
    } else {
      const what = path === "/metrics" ? "metrics" : path === "/config" ? "state" : undefined;
      if (what === undefined) send(response, pageFor(path, source));
      else void source.refresh(what).then(() => send(response, pageFor(path, source)));
    }
  };
}

function isConnectJson({ method, headers }: IncomingMessage): boolean {
  return method === "POST" && headers["content-type"] === "application/json" && !("content-encoding" in headers);
}

interface Page {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}

function pageFor(path: string, source: AdminSource): Page {
  switch (path) {
    case "/live":
      return { status: 200, text: "live" };
    case "/ready": {
      const { state, reason } = source.status();
      if (state === "ready") return { status: 200, text: "ready" };
      return { status: 503, text: reason === "" || reason === state ? state : `${state}: ${reason}` };
    }
    case "/metrics":
      return { status: 200, text: prometheusText(source.metrics()), type: prometheusContentType };
    case "/config": {
      const dump = { status: source.status(), settings: source.settings(), ...source.config() };
      return { status: 200, text: JSON.stringify(dump, plainNumbers, 2), type: "application/json" };
    }
    case "/":
      return { status: 200, text: "ferry admin: /live /ready /metrics /config, and ferry.admin.v1.AdminService" };
    default:
      return { status: 404, text: `nothing at ${path.slice(0, 100)}` };
  }
}

function send(response: ServerResponse, { status, text, type = "text/plain; charset=utf-8" }: Page): void {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(text.endsWith("\n") ? text : `${text}\n`);
}

/** JSON has no Infinity, and `null` would hide that there is no limit. */
function plainNumbers(_key: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? "Infinity" : value;
}

/**
 * Why a request may be a browser's on behalf of a foreign page; undefined: it is not. A name that an attacker points at
 * 127.0.0.1 arrives in `Host`, a page of another origin in `Origin`; an address or localhost cannot be made to.
 */
function refusalOf(request: IncomingMessage): string | undefined {
  const { host = "", origin } = request.headers;
  if (!isAddress(host)) return "Host must be localhost or an IP address";
  if (origin !== undefined && origin !== `http://${host}`) return "requests from other origins are refused";
  return undefined;
}

/** Whether `host`, with or without a port, is localhost or an IP address. */
function isAddress(host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, "").toLowerCase();
  return name === "localhost" || isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
