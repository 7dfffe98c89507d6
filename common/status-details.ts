// `grpc-status-details-bin`: google.rpc.Status with one google.rpc.ErrorInfo, which says by machine-readable words why
// a call failed. Written by sidecars into the replies they make, read by the command line. Pure.
// (google/rpc/status.proto, google/rpc/error_details.proto; gRPC over HTTP/2: -bin values are base64, padding optional)

import { bytesField, readFields, varintField } from "./protobuf-wire.ts";

export interface ErrorInfo {
  /** The reason as a constant, as `NO_ENDPOINT`. */
  readonly reason: string;
  /** Whose reasons these are; Ferry's is `ferry`. */
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface StatusDetails {
  /** The same as grpc-status. */
  readonly code: number;
  /** The same as grpc-message, not encoded. */
  readonly message: string;
  /** The first ErrorInfo among the details; undefined when there is none. */
  readonly errorInfo: ErrorInfo | undefined;
}

const errorInfoType = "type.googleapis.com/google.rpc.ErrorInfo";

/** The header's value: base64 without padding. */
export function encodeStatusDetails(details: StatusDetails): string {
  const parts = [varintField(1, details.code), bytesField(2, details.message)];
  const info = details.errorInfo;
  if (info !== undefined) {
    const entries = Object.entries(info.metadata).map(([key, value]) =>
      bytesField(3, Buffer.concat([bytesField(1, key), bytesField(2, value)])),
    );
    const bytes = Buffer.concat([bytesField(1, info.reason), bytesField(2, info.domain), ...entries]);
    parts.push(bytesField(3, Buffer.concat([bytesField(1, errorInfoType), bytesField(2, bytes)])));
  }
  return Buffer.concat(parts).toString("base64").replace(/=+$/, "");
}

/** What the header's value says; undefined when it is not a google.rpc.Status. Details of other types are skipped. */
export function decodeStatusDetails(value: string): StatusDetails | undefined {
  try {
    let code = 0;
    let message = "";
    let errorInfo: ErrorInfo | undefined;
    readFields(Buffer.from(value, "base64"), (fieldNumber, field) => {
      if (fieldNumber === 1 && typeof field === "number") code = field;
      else if (fieldNumber === 2) message = text(field);
      else if (fieldNumber === 3 && typeof field !== "number") errorInfo ??= errorInfoIn(field);
    });
    return { code, message, errorInfo };
  } catch {
    return undefined;
  }
}

function errorInfoIn(any: Buffer): ErrorInfo | undefined {
  let type = "";
  let value: Uint8Array = Buffer.alloc(0);
  readFields(any, (fieldNumber, field) => {
    if (fieldNumber === 1) type = text(field);
    else if (fieldNumber === 2 && typeof field !== "number") value = field;
  });
  if (!type.endsWith("/google.rpc.ErrorInfo")) return undefined;
  let reason = "";
  let domain = "";
  const metadata = new Map<string, string>();
  readFields(value, (fieldNumber, field) => {
    if (fieldNumber === 1) reason = text(field);
    else if (fieldNumber === 2) domain = text(field);
    else if (fieldNumber === 3 && typeof field !== "number") metadata.set(...entryIn(field));
  });
  return { reason, domain, metadata: Object.fromEntries(metadata) };
}

function entryIn(entry: Buffer): [string, string] {
  let key = "";
  let value = "";
  readFields(entry, (fieldNumber, field) => {
    if (fieldNumber === 1) key = text(field);
    else if (fieldNumber === 2) value = text(field);
  });
  return [key, value];
}

function text(field: number | Buffer): string {
  if (typeof field === "number") throw new Error(`protobuf: expected a string, found the number ${field}`);
  return field.toString("utf8");
}
