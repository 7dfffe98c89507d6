// The proxies of other makes, each with the smallest configuration that does the job well on one core: HTTP/2 without
// TLS on both sides, connections to the backend kept, one worker, no access log. Limits that would close a connection
// after some number of requests are lifted, since they would measure the reconnect.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram } from "./find-program.ts";
import { findFreePort, type Peer, type PeerParams, startListening } from "./peer.ts";

/** No proxy at all: what load and backend can do by themselves. */
export const direct: Peer = {
  name: "direct",
  missing: () => undefined,
  start: async ({ backendPort }) => ({
    port: backendPort,
    cpuMs: () => undefined,
    rssMb: () => undefined,
    stop: async () => {},
  }),
};

export const haproxy = otherMake("haproxy", "haproxy", ({ folder, port, backendPort }) => {
  const file = join(folder, "haproxy.cfg");
  writeFileSync(
    file,
    `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend in
  bind 127.0.0.1:${port} proto h2
  default_backend out
backend out
  server s 127.0.0.1:${backendPort} proto h2
`,
  );
  return ["-db", "-f", file];
});

export const nginx = otherMake("nginx", "nginx", ({ folder, port, backendPort }) => {
  const file = join(folder, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  writeFileSync(
    file,
    `daemon off;
master_process off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ")}
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} http2;
    keepalive_requests 1000000000;
    location / { grpc_pass grpc://backend; grpc_socket_keepalive on; }
  }
}
`,
  );
  return ["-p", folder, "-c", file, "-e", "stderr"];
});

export const nghttpx = otherMake("nghttpx", "nghttpx", ({ port, backendPort }) => [
  "--single-process",
  "--workers=1",
  "--conf=/dev/null",
  "--errorlog-file=/dev/null",
  `--frontend=127.0.0.1,${port};no-tls`,
  `--backend=127.0.0.1,${backendPort};;proto=h2`,
]);

export const envoy = otherMake(
  "envoy",
  "envoy",
  ({ folder, port, backendPort }) => {
    const file = join(folder, "envoy.json");
    const http2 = { explicit_http_config: { http2_protocol_options: {} } };
    const options = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    const manager =
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    const routerType = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    const at = (value: number) => ({ socket_address: { address: "127.0.0.1", port_value: value } });
    const route = { match: { prefix: "/" }, route: { cluster: "backend" } };
    const connectionManager = {
      "@type": manager,
      stat_prefix: "in",
      codec_type: "HTTP2",
      route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes: [route] }] },
      http_filters: [{ name: "envoy.filters.http.router", typed_config: { "@type": routerType } }],
    };
    const filter = { name: "envoy.filters.network.http_connection_manager", typed_config: connectionManager };
    const cluster = {
      name: "backend",
      type: "STATIC",
      connect_timeout: "5s",
      typed_extension_protocol_options: {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": { "@type": options, ...http2 },
      },
      // Envoy's default breaker allows 1,024 requests at once, more than any workload here has.
      load_assignment: {
        cluster_name: "backend",
        endpoints: [{ lb_endpoints: [{ endpoint: { address: at(backendPort) } }] }],
      },
    };
    const listener = { name: "in", address: at(port), filter_chains: [{ filters: [filter] }] };
    writeFileSync(file, JSON.stringify({ static_resources: { listeners: [listener], clusters: [cluster] } }));
    return ["-c", file, "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"];
  },
  "envoy-1.40.0/bin",
);

export const nodeHttp2: Peer = {
  name: "node-http2",
  missing: () => undefined,
  async start({ backendPort, core }) {
    const port = await findFreePort();
    const file = fileURLToPath(new URL("node-http2-proxy.ts", import.meta.url));
    return await startListening(core, [process.execPath, file, String(port), String(backendPort)], port);
  },
};

/** A peer that is a program of its own: `configure` writes its files and returns its arguments. */
function otherMake(
  name: string,
  program: string,
  configure: (params: PeerParams & { readonly port: number }) => readonly string[],
  cached?: string,
): Peer {
  return {
    name,
    missing: () => (findProgram(program, cached) === undefined ? `${program} is not installed` : undefined),
    async start(params) {
      const port = await findFreePort();
      const path = findProgram(program, cached) ?? program;
      return await startListening(params.core, [path, ...configure({ ...params, port })], port);
    },
  };
}
