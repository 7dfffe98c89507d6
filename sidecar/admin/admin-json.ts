// ferry.admin.v1.AdminService for callers that speak Connect with JSON, as `ferry status` does: without the connect and
// protobuf libraries, which would leave a sidecar 30 MB heavier for good after the first question. Requests of this
// service have no fields, so only the answer matters. Other forms (binary, gRPC-Web, GET) go to admin-service.ts.
// (https://connectrpc.com/docs/protocol#unary-request; protobuf's JSON form: lowerCamel names, int64 as string)

import type { AdminSource } from "./admin-source.ts";

/** The answer's body by method, as `GetStatus`; undefined: there is no such method. Pure but for the source. */
export function adminJson(source: AdminSource, method: string): string | undefined {
  switch (method) {
    case "GetStatus":
      return JSON.stringify(source.status());
    case "GetConfig": {
      const { hash, rejected, snapshots } = source.config();
      const asJson = snapshots.map((snapshot) => ({
        upstream: snapshot.upstream,
        revision: String(snapshot.revision),
        json: JSON.stringify(snapshot),
      }));
      return JSON.stringify({ hash, rejected, snapshots: asJson });
    }
    case "ListEndpoints":
      return JSON.stringify({ endpoints: source.endpoints() });
    default:
      return undefined;
  }
}
