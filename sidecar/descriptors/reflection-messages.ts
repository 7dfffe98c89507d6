// The few messages of server reflection that a client needs, by their field numbers; the same in v1 and v1alpha. Pure.
// (grpc/reflection/v1/reflection.proto)

import { bytesField, readFields } from "../../common/protobuf-wire.ts";

/** What is asked in one request of the stream. */
export type ReflectionQuestion =
  | { readonly kind: "list_services" }
  | { readonly kind: "file_by_filename"; readonly name: string }
  | { readonly kind: "file_containing_symbol"; readonly symbol: string };

export type ReflectionAnswer =
  | { readonly kind: "files"; readonly files: readonly Uint8Array[] }
  | { readonly kind: "services"; readonly names: readonly string[] }
  | { readonly kind: "error"; readonly status: number; readonly message: string }
  | { readonly kind: "other" };

export function encodeQuestion(question: ReflectionQuestion): Buffer {
  switch (question.kind) {
    case "file_by_filename":
      return bytesField(3, question.name);
    case "file_containing_symbol":
      return bytesField(4, question.symbol);
    case "list_services":
      return bytesField(7, "");
  }
}

/** Throws when `message` is not protobuf. */
export function decodeAnswer(message: Uint8Array): ReflectionAnswer {
  let answer: ReflectionAnswer = { kind: "other" };
  readFields(message, (fieldNumber, value) => {
    if (typeof value === "number") return;
    if (fieldNumber === 4) answer = { kind: "files", files: repeatedBytes(value) };
    else if (fieldNumber === 6) answer = { kind: "services", names: repeatedBytes(value).map(nameIn) };
    else if (fieldNumber === 7) answer = errorIn(value);
  });
  return answer;
}

function repeatedBytes(message: Uint8Array): Buffer[] {
  const values: Buffer[] = [];
  readFields(message, (fieldNumber, value) => {
    if (fieldNumber === 1 && typeof value !== "number") values.push(value);
  });
  return values;
}

function nameIn(message: Uint8Array): string {
  return repeatedBytes(message).at(-1)?.toString("utf8") ?? "";
}

function errorIn(message: Uint8Array): ReflectionAnswer {
  let status = 2;
  let text = "";
  readFields(message, (fieldNumber, value) => {
    if (fieldNumber === 1 && typeof value === "number") status = value;
    else if (fieldNumber === 2 && typeof value !== "number") text = value.toString("utf8");
  });
  return { kind: "error", status, message: text };
}
