// What a field's name means to a hop, as a small number that is worked out once for each field object: fields from
// HPACK's tables are shared by many calls, and comparing names by their letters took longer than all else that is done
// with them. Used where a request's header is read (received-call.ts) and where the next hop's is written
// (outgoing-fields.ts). Hot: once per field of a request, twice.

import type { HeaderField } from "./http2/header-field.ts";

export const FieldRole = {
  OTHER: 1,
  METHOD: 2,
  PATH: 3,
  AUTHORITY: 4,
  HOST: 5,
  CONTENT_TYPE: 6,
  TE: 7,
  EXPECT: 8,
  GRPC_TIMEOUT: 9,
  PREVIOUS_ATTEMPTS: 10,
  TRACEPARENT: 11,
  REQUEST_ID: 12,
  PRIORITY: 13,
  SOURCE: 14,
  FAULT: 15,
} as const;

const byName: ReadonlyMap<string, number> = new Map([
  [":method", FieldRole.METHOD],
  [":path", FieldRole.PATH],
  [":authority", FieldRole.AUTHORITY],
  ["host", FieldRole.HOST],
  ["content-type", FieldRole.CONTENT_TYPE],
  ["te", FieldRole.TE],
  ["expect", FieldRole.EXPECT],
  ["grpc-timeout", FieldRole.GRPC_TIMEOUT],
  ["grpc-previous-rpc-attempts", FieldRole.PREVIOUS_ATTEMPTS],
  ["traceparent", FieldRole.TRACEPARENT],
  ["x-request-id", FieldRole.REQUEST_ID],
  ["x-ferry-priority", FieldRole.PRIORITY],
  ["x-ferry-source", FieldRole.SOURCE],
  ["x-ferry-fault-delay", FieldRole.FAULT],
  ["x-ferry-fault-abort", FieldRole.FAULT],
]);

export function roleOf(field: HeaderField): number {
  if (field.role === 0) field.role = byName.get(field.name) ?? FieldRole.OTHER;
  return field.role;
}
