// What a sidecar must know of a compiled .proto file: its services, and of each method whether it streams and whether
// it may be sent twice. Read from the bytes of a FileDescriptorProto without the protobuf library (why:
// common/protobuf-wire.ts). Pure. (google/protobuf/descriptor.proto, whose field numbers stand here)

import { readFields, type WireValue } from "../../common/protobuf-wire.ts";
import type { MethodTraits } from "../routing/snapshot.ts";

export interface FileSummary {
  readonly name: string;
  /** The files it imports, by name. */
  readonly dependencies: readonly string[];
  readonly services: readonly ServiceSummary[];
}

export interface ServiceSummary {
  /** The full name, as `quoter.query.v1.QuoteQueryService`. */
  readonly name: string;
  readonly methods: readonly { readonly name: string; readonly traits: MethodTraits }[];
}

/** Throws when `file` is not a FileDescriptorProto. */
export function summariseFile(file: Uint8Array): FileSummary {
  let name = "";
  let packageName = "";
  const dependencies: string[] = [];
  const services: Buffer[] = [];
  readFields(file, (fieldNumber, value) => {
    if (fieldNumber === 1) name = text(value);
    else if (fieldNumber === 2) packageName = text(value);
    else if (fieldNumber === 3) dependencies.push(text(value));
    else if (fieldNumber === 6) services.push(bytes(value));
  });
  const prefix = packageName === "" ? "" : `${packageName}.`;
  return { name, dependencies, services: services.map((service) => summariseService(service, prefix)) };
}

function summariseService(service: Buffer, prefix: string): ServiceSummary {
  let name = "";
  const methods: { name: string; traits: MethodTraits }[] = [];
  readFields(service, (fieldNumber, value) => {
    if (fieldNumber === 1) name = prefix + text(value);
    else if (fieldNumber === 2) methods.push(summariseMethod(bytes(value)));
  });
  return { name, methods };
}

function summariseMethod(method: Buffer): { name: string; traits: MethodTraits } {
  let name = "";
  let clientStreams = false;
  let serverStreams = false;
  let idempotent = false;
  readFields(method, (fieldNumber, value) => {
    if (fieldNumber === 1) name = text(value);
    else if (fieldNumber === 4) idempotent = isIdempotent(bytes(value));
    else if (fieldNumber === 5) clientStreams = value !== 0;
    else if (fieldNumber === 6) serverStreams = value !== 0;
  });
  return { name, traits: { kind: kindOf(clientStreams, serverStreams), idempotent } };
}

/** MethodOptions.idempotency_level is field 34: NO_SIDE_EFFECTS = 1, IDEMPOTENT = 2. */
function isIdempotent(options: Buffer): boolean {
  let level = 0;
  readFields(options, (fieldNumber, value) => {
    if (fieldNumber === 34 && typeof value === "number") level = value;
  });
  return level === 1 || level === 2;
}

function kindOf(clientStreams: boolean, serverStreams: boolean): MethodTraits["kind"] {
  if (clientStreams) return serverStreams ? "bidi_streaming" : "client_streaming";
  return serverStreams ? "server_streaming" : "unary";
}

function text(value: WireValue): string {
  return bytes(value).toString("utf8");
}

function bytes(value: WireValue): Buffer {
  if (typeof value === "number") throw new Error(`descriptor: expected bytes, found the number ${value}`);
  return value;
}
