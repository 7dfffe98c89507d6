// The messages of grpc.health.v1 by their field numbers, so that a load balancer's probes do not make a gateway load
// the protobuf library; tests hold them against the generated code. Pure. (grpc/health/v1/health.proto)

import { bytesField, readFields, varintField } from "../../common/protobuf-wire.ts";
import type { LocalCodec } from "../grpc/serve-local.ts";

export const ServingStatus = { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;

export type ServingStatus = (typeof ServingStatus)[keyof typeof ServingStatus];

/** HealthCheckRequest: the service asked about; empty for the server itself. */
function decodeRequest(bytes: Buffer): string {
  let service = "";
  readFields(bytes, (fieldNumber, value) => {
    if (fieldNumber === 1 && typeof value !== "number") service = value.toString("utf8");
  });
  return service;
}

/** HealthCheckResponse. */
function encodeStatus(status: ServingStatus): Buffer {
  return varintField(1, status);
}

export const checkMethod: LocalCodec<"unary", string, ServingStatus> = {
  methodKind: "unary",
  decode: decodeRequest,
  encode: encodeStatus,
};

export const watchMethod: LocalCodec<"server_streaming", string, ServingStatus> = {
  methodKind: "server_streaming",
  decode: decodeRequest,
  encode: encodeStatus,
};

/** HealthListResponse: map<string, HealthCheckResponse> statuses = 1. */
export const listMethod: LocalCodec<"unary", undefined, ReadonlyMap<string, ServingStatus>> = {
  methodKind: "unary",
  decode: () => undefined,
  encode: (statuses) =>
    Buffer.concat(
      [...statuses].map(([name, status]) =>
        bytesField(1, Buffer.concat([bytesField(1, name), bytesField(2, encodeStatus(status))])),
      ),
    ),
};
