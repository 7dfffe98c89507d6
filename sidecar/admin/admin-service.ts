// ferry.admin.v1.AdminService over Connect in all its forms. Loaded at the first request that admin-json.ts does not
// answer: connect and the generated code cost 30 MB, which a sidecar that nobody asks so need not have.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AdminService } from "../../gen/ferry/admin/v1/admin_service_pb.ts";
import type { AdminSource } from "./admin-source.ts";

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** No request of this service has a field; more than this is not meant for us. */
const maxRequestBytes = 16_384;

export function adminService(source: AdminSource): RequestHandler {
  function routes(router: ConnectRouter): void {
    router.service(AdminService, {
      async getStatus() {
        await source.refresh("state");
        return source.status();
      },
      async getConfig() {
        await source.refresh("state");
        const { hash, rejected, snapshots } = source.config();
        return {
          hash,
          rejected: [...rejected],
          snapshots: snapshots.map((snapshot) => ({
            upstream: snapshot.upstream,
            revision: BigInt(snapshot.revision),
            json: JSON.stringify(snapshot),
          })),
        };
      },
      async listEndpoints() {
        await source.refresh("state");
        return { endpoints: [...source.endpoints()] };
      },
    });
  }
  return connectNodeAdapter({ routes, grpc: false, readMaxBytes: maxRequestBytes });
}
