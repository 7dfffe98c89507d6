// From `package.Service/Method` to what is needed to call it with JSON. Used by `ferry call` and `ferry bench call`.

import { randomUUID } from "node:crypto";
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  fromJson,
  type JsonValue,
  type MessageShape,
  type Registry,
  ScalarType,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { nearestName } from "../../common/nearest-name.ts";
import { CommandError, UsageError } from "../exit.ts";
import type { Reflection } from "./reflect.ts";

export interface CallableMethod {
  /** As `/quoter.query.v1.QuoteQueryService/GetQuote`. */
  readonly path: string;
  readonly service: string;
  readonly method: string;
  readonly isRequestStream: boolean;
  readonly isResponseStream: boolean;
  /** Throws a UsageError that says what is wrong with the JSON. */
  encode(json: unknown): Uint8Array;
  decode(bytes: Uint8Array): JsonValue;
}

/** Splits `package.Service/Method` (or `package.Service.Method`). */
export function parseMethodName(text: string): { service: string; method: string } {
  const match = /^\/?([A-Za-z_][\w.]*)[/.]([A-Za-z_]\w*)$/.exec(text);
  if (match === null) {
    throw new UsageError(
      `method: expected package.Service/Method, as quoter.query.v1.QuoteQueryService/GetQuote, found ${text}`,
    );
  }
  return { service: match[1]!, method: match[2]! };
}

/** By reflection at `where`. Throws a CommandError that names what is there when the method is not. */
export async function findMethod(reflection: Reflection, where: string, name: string): Promise<CallableMethod> {
  const wanted = parseMethodName(name);
  const found = await reflection.findService(wanted.service);
  if (found === undefined) {
    const known = (await reflection.listServices()).filter((service) => !service.startsWith("grpc."));
    const near = nearestName(wanted.service, known);
    const has = known.length === 0 ? "it has none" : `it has ${known.join(", ")}`;
    throw new CommandError(
      `${where} has no service ${wanted.service}; ${near === undefined ? has : `did you mean ${near}?`}`,
    );
  }
  const method = found.service.methods.find((candidate) => candidate.name === wanted.method);
  if (method === undefined) {
    const known = found.service.methods.map((candidate) => candidate.name);
    const near = nearestName(wanted.method, known);
    const hint = near === undefined ? `it has ${known.join(", ")}` : `did you mean ${near}?`;
    throw new CommandError(`${wanted.service} at ${where} has no method ${wanted.method}; ${hint}`);
  }
  return callable(method, found.registry);
}

function callable(method: DescMethod, registry: Registry): CallableMethod {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    service: method.parent.typeName,
    method: method.name,
    isRequestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    isResponseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    encode: (json) => encodeRequest(method.input, registry, json),
    decode: (bytes) => toJson(method.output, fromBinary(method.output, bytes), { registry, alwaysEmitImplicit: true }),
  };
}

function encodeRequest(input: DescMessage, registry: Registry, json: unknown): Uint8Array {
  let message: MessageShape<DescMessage>;
  try {
    message = json === undefined ? create(input) : fromJson(input, json as JsonValue, { registry });
  } catch (error) {
    throw new UsageError(`request: ${(error as Error).message}`);
  }
  fillCommandId(input, message as unknown as Record<string, unknown>);
  return toBinary(input, message);
}

/** `ferry call` is the client library here: a command without an id gets a random one. */
function fillCommandId(input: DescMessage, message: Record<string, unknown>): void {
  const field = input.fields.find((candidate) => candidate.name === "command_id");
  if (field?.fieldKind !== "scalar" || field.scalar !== ScalarType.STRING) return;
  if (message[field.localName] === "") message[field.localName] = randomUUID();
}
