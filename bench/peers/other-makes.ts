// The proxies of other makes, each with the smallest configuration that does the job well: HTTP/2 on both sides,
// towards the backend without TLS, connections kept, as many workers as are asked for, no access log. With TLS it is
// 1.3, and a client certificate of the benchmark's authority is demanded. Limits that would close a connection after
// some number of requests are lifted, since they would measure the reconnect.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram } from "./find-program.ts";
import { findFreePort, type Peer, type PeerParams, startListening } from "./peer.ts";
import type { TlsFiles } from "./tls-files.ts";

/** No proxy at all: what load and backend can do by themselves. */
export const direct: Peer = {
  name: "direct",
  obstacle: ({ isTls }) => (isTls ? "the backend takes no TLS" : undefined),
  start: async ({ backendPort }) => ({
    ...{ port: backendPort, pid: undefined },
    cpuMs: () => undefined,
    rssMb: () => undefined,
    stop: async () => {},
  }),
};

export const haproxy = otherMake("haproxy", "haproxy", ({ folder, port, backendPort, workers, tls }) => {
  const file = join(folder, "haproxy.cfg");
  const secured =
    tls === undefined
      ? "proto h2"
      : `ssl crt ${tls.bothFile} ca-file ${tls.caFile} verify required alpn h2 ssl-min-ver TLSv1.3`;
  writeFileSync(
    file,
    `global
  nbthread ${workers}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend in
  bind 127.0.0.1:${port} ${secured}
  default_backend out
backend out
  server s 127.0.0.1:${backendPort} proto h2
`,
  );
  return ["-db", "-f", file];
});

export const nginx = otherMake("nginx", "nginx", ({ folder, port, backendPort, workers, tls }) => {
  const file = join(folder, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const secured =
    tls === undefined
      ? ""
      : `ssl_certificate ${tls.certFile}; ssl_certificate_key ${tls.keyFile}; ssl_protocols TLSv1.3;
    ssl_client_certificate ${tls.caFile}; ssl_verify_client on;`;
  writeFileSync(
    file,
    `daemon off;
master_process ${workers > 1 ? "on" : "off"};
worker_processes ${workers};
user root;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ")}
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} ${tls === undefined ? "" : "ssl "}http2 reuseport;
    ${secured}
    keepalive_requests 1000000000;
    location / { grpc_pass grpc://backend; grpc_socket_keepalive on; }
  }
}
`,
  );
  return ["-p", folder, "-c", file, "-e", "stderr"];
});

export const nghttpx = otherMake("nghttpx", "nghttpx", ({ port, backendPort, workers, tls }) => [
  "--single-process",
  `--workers=${workers}`,
  "--conf=/dev/null",
  "--errorlog-file=/dev/null",
  `--backend=127.0.0.1,${backendPort};;proto=h2`,
  ...(tls === undefined
    ? [`--frontend=127.0.0.1,${port};no-tls`]
    : [
        ...[`--frontend=127.0.0.1,${port}`, "--tls-min-proto-version=TLSv1.3", "--npn-list=h2"],
        ...["--verify-client", `--verify-client-cacert=${tls.caFile}`, tls.keyFile, tls.certFile],
      ]),
]);

export const envoy = otherMake(
  "envoy",
  "envoy",
  ({ folder, port, backendPort, workers, tls }) => {
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
    const secured = tls !== undefined && { transport_socket: envoyTls(tls) };
    const listener = { name: "in", address: at(port), filter_chains: [{ filters: [filter], ...secured }] };
    writeFileSync(file, JSON.stringify({ static_resources: { listeners: [listener], clusters: [cluster] } }));
    return ["-c", file, "--concurrency", String(workers), "--log-level", "error", "--disable-hot-restart"];
  },
  "envoy-1.40.0/bin",
);

export const nodeHttp2: Peer = {
  name: "node-http2",
  obstacle: ({ workers }) => (workers > 1 ? "it has one worker" : undefined),
  async start({ backendPort, cores, tls }) {
    const port = await findFreePort();
    const file = fileURLToPath(new URL("node-http2-proxy.ts", import.meta.url));
    const files = tls === undefined ? [] : [tls.certFile, tls.keyFile, tls.caFile];
    return await startListening(cores, [process.execPath, file, String(port), String(backendPort), ...files], port);
  },
};

function envoyTls({ certFile, keyFile, caFile }: TlsFiles) {
  const certificate = { certificate_chain: { filename: certFile }, private_key: { filename: keyFile } };
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
      require_client_certificate: true,
      common_tls_context: {
        alpn_protocols: ["h2"],
        tls_params: { tls_minimum_protocol_version: "TLSv1_3", tls_maximum_protocol_version: "TLSv1_3" },
        tls_certificates: [certificate],
        validation_context: { trusted_ca: { filename: caFile } },
      },
    },
  };
}

/** A peer that is a program of its own: `configure` writes its files and returns its arguments. */
function otherMake(
  name: string,
  program: string,
  configure: (params: PeerParams & { readonly port: number }) => readonly string[],
  cached?: string,
): Peer {
  return {
    name,
    version: () => versionOf(findProgram(program, cached) ?? program),
    obstacle: () => (findProgram(program, cached) === undefined ? `${program} is not installed` : undefined),
    async start(params) {
      const port = await findFreePort();
      const path = findProgram(program, cached) ?? program;
      return await startListening(params.cores, [path, ...configure({ ...params, port })], port);
    },
  };
}

/** All of them take `--version` or `-v`, and say three numbers with dots on one stream or the other. */
function versionOf(path: string): string {
  for (const flag of ["--version", "-v"]) {
    const { stdout, stderr } = spawnSync(path, [flag], { encoding: "utf8", timeout: 5_000 });
    const found = /\d+\.\d+\.\d+/.exec(`${stdout}${stderr}`)?.[0];
    if (found !== undefined) return found;
  }
  return "of an unknown version";
}
