// Asks a server what it serves: reflection v1, then v1alpha where v1 is not there. Files that a server leaves out are
// taken from protobuf's own well-known ones. One stream per question; a server's answers are trusted as its own.

import {
  create,
  createFileRegistry,
  type DescService,
  type FileRegistry,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import type { Client } from "@grpc/grpc-js";
import {
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { CommandError } from "../exit.ts";
import { rawCall, untracedMetadata } from "./raw-call.ts";

type Question = { case: "listServices" | "fileContainingSymbol" | "fileByFilename"; value: string };

const wellKnown = new Map(
  [
    file_google_protobuf_any,
    file_google_protobuf_descriptor,
    file_google_protobuf_duration,
    file_google_protobuf_empty,
    file_google_protobuf_field_mask,
    file_google_protobuf_struct,
    file_google_protobuf_timestamp,
    file_google_protobuf_wrappers,
  ].map((file) => [file.proto.name, file.proto] as const),
);

export class Reflection {
  readonly #client: Client;
  readonly #where: string;
  readonly #timeoutMs: number;
  #version: "v1" | "v1alpha" = "v1";

  /** `where` is for messages, as `127.0.0.1:8080`. */
  constructor(client: Client, where: string, timeoutMs: number) {
    this.#client = client;
    this.#where = where;
    this.#timeoutMs = timeoutMs;
  }

  /** Full names, in order. */
  async listServices(): Promise<string[]> {
    const response = await this.#ask({ case: "listServices", value: "*" });
    if (response.case !== "listServicesResponse") throw this.#odd(response.case);
    return response.value.service.map((service) => service.name).sort();
  }

  /** The service with all that its messages need. Undefined: the server does not know it. */
  async findService(name: string): Promise<{ service: DescService; registry: FileRegistry } | undefined> {
    const files = await this.#files({ case: "fileContainingSymbol", value: name });
    if (files === undefined) return undefined;
    const root = files[0];
    if (root === undefined) throw this.#odd("no file");
    const known = new Map(files.map((file) => [file.name, file]));
    await this.#completeDependencies(known);
    const registry = createFileRegistry(root, (file) => known.get(file) ?? wellKnown.get(file));
    const service = registry.getService(name);
    return service === undefined ? undefined : { service, registry };
  }

  async #completeDependencies(known: Map<string, FileDescriptorProto>): Promise<void> {
    for (;;) {
      const missing = [...known.values()]
        .flatMap((file) => file.dependency)
        .find((name) => !known.has(name) && !wellKnown.has(name));
      if (missing === undefined) return;
      const files = await this.#files({ case: "fileByFilename", value: missing });
      if (files === undefined) throw new CommandError(`${this.#where}: reflection does not know the file ${missing}`);
      for (const file of files) known.set(file.name, file);
      if (!known.has(missing)) throw this.#odd(`${files.map(({ name }) => name).join(", ")} instead of ${missing}`);
    }
  }

  async #files(question: Question): Promise<FileDescriptorProto[] | undefined> {
    const response = await this.#ask(question);
    if (response.case === "errorResponse") {
      if (response.value.errorCode === 5) return undefined;
      throw new CommandError(`${this.#where}: reflection failed: ${response.value.errorMessage}`);
    }
    if (response.case !== "fileDescriptorResponse") throw this.#odd(response.case);
    return response.value.fileDescriptorProto.map((bytes) =>
      fillJsonNames(fromBinary(FileDescriptorProtoSchema, bytes)),
    );
  }

  async #ask(question: Question) {
    let outcome = await this.#askVersion(question);
    if (outcome.code === "UNIMPLEMENTED" && this.#version === "v1") {
      this.#version = "v1alpha";
      outcome = await this.#askVersion(question);
    }
    if (outcome.code === "UNIMPLEMENTED") {
      throw new CommandError(`${this.#where}: the server has no reflection, so its methods' messages are not known`);
    }
    if (outcome.reply === undefined) {
      throw new CommandError(`${this.#where}: no answer to reflection: ${outcome.code} ${outcome.message}`);
    }
    return outcome.reply;
  }

  // Both versions have the same messages under different names, so v1's are used for both.
  async #askVersion(question: Question) {
    const request = create(ServerReflectionRequestSchema, { messageRequest: question });
    const replies: Buffer[] = [];
    const result = await rawCall(this.#client, {
      path: `/grpc.reflection.${this.#version}.ServerReflection/ServerReflectionInfo`,
      requests: [toBinary(ServerReflectionRequestSchema, request)],
      metadata: untracedMetadata(),
      timeoutMs: this.#timeoutMs,
      onMessage: (message) => replies.push(message),
    });
    const reply = replies[0] && fromBinary(ServerReflectionResponseSchema, replies[0]).messageResponse;
    return { code: result.code, message: result.message, reply };
  }

  #odd(found: string | undefined): CommandError {
    return new CommandError(`${this.#where}: reflection answered with ${found ?? "nothing"}, which was not asked for`);
  }
}

/** Python's servers leave out what can be derived, and fields without a JSON name would all be called "". */
function fillJsonNames(file: FileDescriptorProto): FileDescriptorProto {
  const fill = (message: DescriptorProto) => {
    for (const field of message.field) field.jsonName ||= jsonNameOf(field.name);
    message.nestedType.forEach(fill);
  };
  file.messageType.forEach(fill);
  return file;
}

/** protobuf's rule: a letter behind an underscore becomes a capital, underscores go. */
function jsonNameOf(name: string): string {
  return name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
}
