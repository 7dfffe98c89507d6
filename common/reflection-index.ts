// Answers of gRPC server reflection from a set of file descriptors. Pure. Used by every service (services/kit) for its
// own files and by the gateway for the files of all its upstreams together. v1 and v1alpha have the same messages on
// the wire, so both are served with these. (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md)
// Guarantees: a file comes with everything it imports; of two files with one name the first is kept.

import { create, toBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";

export interface ReflectionIndex {
  /** Full names, sorted. */
  readonly services: readonly string[];
  /** The answer to one request of the stream; what is not there is an error_response with NOT_FOUND. */
  answer(request: ServerReflectionRequest): ServerReflectionResponse;
}

/** Status codes as reflection writes them into an error_response. */
const notFound = 5;
const invalidArgument = 3;

/** `services` are the names that list_services gives; default: every service that `files` define. */
export function reflectionIndex(files: readonly FileDescriptorProto[], services?: readonly string[]): ReflectionIndex {
  // Most processes are never asked, so the tables are made when the first question comes.
  let made: Tables | undefined;
  const tables = () => {
    made ??= tablesOf(files);
    return made;
  };
  const names = [...new Set(services ?? files.flatMap(servicesOf))].sort();
  return {
    services: names,
    answer(request) {
      const messageResponse = answerTo(request.messageRequest, tables(), names);
      return create(ServerReflectionResponseSchema, {
        validHost: request.host,
        originalRequest: request,
        messageResponse,
      });
    },
  };
}

type Asked = ServerReflectionRequest["messageRequest"];
type Answer = Parameters<typeof create<typeof ServerReflectionResponseSchema>>[1];
type MessageResponse = NonNullable<NonNullable<Answer>["messageResponse"]>;

function answerTo(asked: Asked, tables: Tables, services: readonly string[]): MessageResponse {
  switch (asked.case) {
    case "listServices": {
      const service = services.map((name) => ({ name }));
      return { case: "listServicesResponse", value: { service } };
    }
    case "fileByFilename":
      return fileAnswer(tables, tables.fileByName.get(asked.value), `file ${asked.value}`);
    case "fileContainingSymbol": {
      const symbol = asked.value.replace(/^\./, "");
      return fileAnswer(tables, tables.fileBySymbol.get(symbol), `symbol ${symbol}`);
    }
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      const file = tables.extensionsByType.get(containingType)?.get(extensionNumber);
      return fileAnswer(tables, file, `extension ${extensionNumber} of ${containingType}`);
    }
    case "allExtensionNumbersOfType": {
      const numbers = tables.extensionsByType.get(asked.value);
      if (numbers === undefined && !tables.fileBySymbol.has(asked.value))
        return problem(notFound, `type ${asked.value}: not found`);
      const extensionNumber = [...(numbers?.keys() ?? [])].sort((a, b) => a - b);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: asked.value, extensionNumber } };
    }
    default:
      return problem(invalidArgument, "the request asks for nothing that is known");
  }
}

function fileAnswer(tables: Tables, file: FileDescriptorProto | undefined, what: string): MessageResponse {
  if (file === undefined) return problem(notFound, `${what}: not found`);
  const withImports = new Set<FileDescriptorProto>();
  collect(file, tables, withImports);
  const fileDescriptorProto = [...withImports].map((one) => toBinary(FileDescriptorProtoSchema, one));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function problem(errorCode: number, message: string): MessageResponse {
  return { case: "errorResponse", value: { errorCode, errorMessage: `reflection: ${message}` } };
}

function collect(file: FileDescriptorProto, tables: Tables, into: Set<FileDescriptorProto>): void {
  if (into.has(file)) return;
  into.add(file);
  for (const name of file.dependency) {
    const imported = tables.fileByName.get(name);
    if (imported !== undefined) collect(imported, tables, into);
  }
}

interface Tables {
  readonly fileByName: Map<string, FileDescriptorProto>;
  readonly fileBySymbol: Map<string, FileDescriptorProto>;
  readonly extensionsByType: Map<string, Map<number, FileDescriptorProto>>;
}

function tablesOf(files: readonly FileDescriptorProto[]): Tables {
  const tables: Tables = { fileByName: new Map(), fileBySymbol: new Map(), extensionsByType: new Map() };
  for (const file of files) {
    if (tables.fileByName.has(file.name)) continue;
    tables.fileByName.set(file.name, file);
    const add = (symbol: string) => {
      if (!tables.fileBySymbol.has(symbol)) tables.fileBySymbol.set(symbol, file);
    };
    const extend = (extension: FieldDescriptorProto) => {
      const type = extension.extendee.replace(/^\./, "");
      const numbers = tables.extensionsByType.get(type) ?? new Map<number, FileDescriptorProto>();
      tables.extensionsByType.set(type, numbers.set(extension.number, numbers.get(extension.number) ?? file));
    };
    visitFile(file, add, extend);
  }
  return tables;
}

function servicesOf(file: FileDescriptorProto): string[] {
  return file.service.map((service) => within(file.package, service.name));
}

function visitFile(
  file: FileDescriptorProto,
  add: (symbol: string) => void,
  extend: (extension: FieldDescriptorProto) => void,
): void {
  const visitExtensions = (scope: string, extensions: readonly FieldDescriptorProto[]) => {
    for (const extension of extensions) {
      add(within(scope, extension.name));
      extend(extension);
    }
  };
  const visitEnum = (scope: string, type: EnumDescriptorProto) => {
    add(within(scope, type.name));
    // An enum's values are named beside it, not below it, as in C++.
    for (const value of type.value) add(within(scope, value.name));
  };
  const visitMessage = (scope: string, message: DescriptorProto) => {
    const name = within(scope, message.name);
    add(name);
    for (const member of [...message.field, ...message.oneofDecl]) add(within(name, member.name));
    for (const nested of message.nestedType) visitMessage(name, nested);
    for (const nested of message.enumType) visitEnum(name, nested);
    visitExtensions(name, message.extension);
  };
  for (const message of file.messageType) visitMessage(file.package, message);
  for (const type of file.enumType) visitEnum(file.package, type);
  visitExtensions(file.package, file.extension);
  for (const service of file.service) {
    const name = within(file.package, service.name);
    add(name);
    for (const method of service.method) add(within(name, method.name));
  }
}

function within(scope: string, name: string): string {
  return scope === "" ? name : `${scope}.${name}`;
}
