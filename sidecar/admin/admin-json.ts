// ferry.admin.v1.AdminService for callers that speak Connect with JSON, as `ferry status` does: without the connect and
// protobuf libraries, which would leave a sidecar 30 MB heavier for good after the first question. Requests of this
// service have no fields, so only the answer matters. Other forms (binary, gRPC-Web, GET) go to admin-service.ts.
// (https://connectrpc.com/docs/protocol#unary-request; protobuf's JSON form: lowerCamel names, int64 as string)

import type { AdminSource } from "./admin-source.ts";

/** The answers' bodies by method. */
export const adminMethods: ReadonlyMap<string, (source: AdminSource) => string> = new Map([
  ["GetStatus", (source) => JSON.stringify(source.status())],
  [
    "GetConfig",
    (source) => {
      const { hash, rejected, snapshots } = source.config();
      const asJson = snapshots.map((snapshot) => ({
        upstream: snapshot.upstream,
        revision: String(snapshot.revision),
        json: JSON.stringify(snapshot),
      }));
      return JSON.stringify({ hash, rejected, snapshots: asJson });
    },
  ],
  ["ListEndpoints", (source) => JSON.stringify({ endpoints: source.endpoints() })],
]);
