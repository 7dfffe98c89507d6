import { create, fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { file_buf_validate_validate } from "../gen/buf/validate/validate_pb.ts";
import { ServerReflectionRequestSchema } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { QuoteQueryService } from "../gen/quoter/query/v1/quote_query_service_pb.ts";
import { type ReflectionIndex, reflectionIndex } from "./reflection-index.ts";

const wellKnown = file_buf_validate_validate.dependencies.map((file) => file.proto);
const files = [QuoteQueryService.file.proto, file_buf_validate_validate.proto, ...wellKnown];

function ask(
  index: ReflectionIndex,
  messageRequest: NonNullable<Parameters<typeof create<typeof ServerReflectionRequestSchema>>[1]>["messageRequest"],
) {
  const request = create(ServerReflectionRequestSchema, messageRequest === undefined ? {} : { messageRequest });
  return index.answer(request).messageResponse;
}

function namesIn(answer: ReturnType<typeof ask>): string[] {
  if (answer.case !== "fileDescriptorResponse") return [`${answer.case}`];
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

describe("reflection", () => {
  const index = reflectionIndex(files);
  const own = "quoter/query/v1/quote_query_service.proto";

  test("lists the services of its files, or those it is told to", () => {
    expect(index.services).toEqual(["quoter.query.v1.QuoteQueryService"]);
    const told = ask(reflectionIndex(files, ["b.B", "a.A", "b.B"]), { case: "listServices", value: "*" });
    expect(told).toMatchObject({
      case: "listServicesResponse",
      value: { service: [{ name: "a.A" }, { name: "b.B" }] },
    });
  });

  test("gives a file with everything it imports, each once, the file itself first", () => {
    const names = namesIn(ask(index, { case: "fileByFilename", value: own }));
    expect(names[0]).toBe(own);
    expect([...names].sort()).toEqual(files.map((file) => file.name).sort());
  });

  test.each([
    "quoter.query.v1.QuoteQueryService",
    "quoter.query.v1.QuoteQueryService.GetQuote",
    "quoter.query.v1.Quote",
    ".quoter.query.v1.Quote",
    "quoter.query.v1.Quote.submitted_at",
  ])("finds the file of symbol %s", (symbol) => {
    expect(namesIn(ask(index, { case: "fileContainingSymbol", value: symbol }))[0]).toBe(own);
  });

  test("finds enum values beside their enum, and nested types", () => {
    for (const symbol of ["buf.validate.IGNORE_ALWAYS", "google.protobuf.FieldOptions.JS_STRING"]) {
      expect(ask(index, { case: "fileContainingSymbol", value: symbol }).case).toBe("fileDescriptorResponse");
    }
  });

  test("finds extensions by their type and number, and lists a type's numbers", () => {
    const containingType = "google.protobuf.FieldOptions";
    const file = ask(index, { case: "fileContainingExtension", value: { containingType, extensionNumber: 1159 } });
    expect(namesIn(file)[0]).toBe("buf/validate/validate.proto");
    const all = ask(index, { case: "allExtensionNumbersOfType", value: containingType });
    expect(all).toMatchObject({ value: { baseTypeName: containingType, extensionNumber: [1159, 1160] } });
    const none = ask(index, { case: "allExtensionNumbersOfType", value: "quoter.query.v1.Quote" });
    expect(none).toMatchObject({ case: "allExtensionNumbersResponse", value: { extensionNumber: [] } });
  });

  test("answers NOT_FOUND for what is not there", () => {
    const missing = [
      { case: "fileByFilename", value: "x.proto" },
      { case: "fileContainingSymbol", value: "x.Y" },
      { case: "fileContainingExtension", value: { containingType: "x.Y", extensionNumber: 1 } },
      { case: "allExtensionNumbersOfType", value: "x.Y" },
    ] as const;
    for (const request of missing) {
      expect(ask(index, request)).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
    }
    expect(ask(index, undefined)).toMatchObject({ case: "errorResponse", value: { errorCode: 3 } });
  });

  test("keeps the first of two files with one name, and survives a missing import and a cycle", () => {
    const file = (init: Partial<FileDescriptorProto>) => create(FileDescriptorProtoSchema, init as never);
    const merged = reflectionIndex([
      file({ name: "a.proto", package: "first", dependency: ["b.proto", "gone.proto"] }),
      file({ name: "a.proto", package: "second" }),
      file({ name: "b.proto", dependency: ["a.proto"] }),
    ]);
    const answer = ask(merged, { case: "fileByFilename", value: "a.proto" });
    expect(namesIn(answer)).toEqual(["a.proto", "b.proto"]);
  });
});
