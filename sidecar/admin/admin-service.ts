// ferry.admin.v1.AdminService over Connect, for the command line and other programs. Loaded at the first such request:
// connect and the generated code cost 37 MB, which a sidecar that nobody asks need not have.

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
      getStatus: () => source.status(),
      getConfig() {
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
      listEndpoints: () => ({ endpoints: [...source.endpoints()] }),
    });
  }
  return connectNodeAdapter({ routes, grpc: false, readMaxBytes: maxRequestBytes });
}
