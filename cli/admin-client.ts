// Asks sidecars' admin servers: Connect over HTTP/1.1, loopback only.

import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AdminService } from "../gen/ferry/admin/v1/admin_service_pb.ts";

/** `admin` is `host:port`; every call has `timeoutMs`. */
export function openAdminClient(admin: string, timeoutMs: number): Client<typeof AdminService> {
  const transport = createConnectTransport({
    baseUrl: `http://${admin}`,
    httpVersion: "1.1",
    defaultTimeoutMs: timeoutMs,
    useBinaryFormat: false,
  });
  return createClient(AdminService, transport);
}
