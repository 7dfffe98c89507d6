import { create, toBinary } from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  MethodOptions_IdempotencyLevel as Level,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { TestingClock } from "../../common/testing-clock.ts";
import { QuoteCommandService } from "../../gen/quoter/command/v1/quote_command_service_pb.ts";
import { QuoteQueryService } from "../../gen/quoter/query/v1/quote_query_service_pb.ts";
import { Status } from "../grpc/status.ts";
import { summariseFile } from "./file-summary.ts";
import { mergeMethodTables, methodTraits, publicServices } from "./method-traits.ts";
import { reflect } from "./reflect.ts";
import { ScriptedReflection } from "./testing/scripted-reflection.ts";

const target = { host: "127.0.0.1", port: 1, service: "quote-query" };

/** The files of the quoter with everything they import. */
function quoterFiles(): FileDescriptorProto[] {
  const files = new Map<string, FileDescriptorProto>();
  const add = (file: (typeof QuoteQueryService)["file"]) => {
    files.set(file.proto.name, file.proto);
    file.dependencies.forEach(add);
  };
  for (const service of [QuoteQueryService, QuoteCommandService]) add(service.file);
  return [...files.values()];
}

describe("method traits", () => {
  test("agree with the generated descriptors for every method of the quoter", () => {
    const summaries = quoterFiles().map((file) => summariseFile(toBinary(FileDescriptorProtoSchema, file)));
    const expected = [QuoteQueryService, QuoteCommandService].flatMap((service) =>
      service.methods.map((method) => [
        `/${service.typeName}/${method.name}`,
        { kind: method.methodKind, idempotent: method.idempotency !== Level.IDEMPOTENCY_UNKNOWN },
      ]),
    );
    expect(methodTraits(summaries)).toEqual(Object.fromEntries(expected));
    expect(methodTraits(summaries)["/quoter.query.v1.QuoteQueryService/GetQuote"]).toEqual({
      kind: "unary",
      idempotent: true,
    });
  });

  test("of a file without package and options are read", () => {
    const file = create(FileDescriptorProtoSchema, {
      name: "plain.proto",
      service: [
        { name: "Plain", method: [{ name: "Do" }, { name: "Talk", clientStreaming: true, serverStreaming: true }] },
      ],
    });
    expect(methodTraits([summariseFile(toBinary(FileDescriptorProtoSchema, file))])).toEqual({
      "/Plain/Do": { kind: "unary", idempotent: false },
      "/Plain/Talk": { kind: "bidi_streaming", idempotent: false },
    });
  });

  test("of two versions side by side are the careful ones", () => {
    const merged = mergeMethodTables([
      { "/s/A": { kind: "unary", idempotent: true }, "/s/B": { kind: "unary", idempotent: true } },
      { "/s/A": { kind: "unary", idempotent: false }, "/s/C": { kind: "unary", idempotent: true } },
      { "/s/B": { kind: "server_streaming", idempotent: true } },
    ]);
    expect(merged).toEqual({
      "/s/A": { kind: "unary", idempotent: false },
      "/s/C": { kind: "unary", idempotent: true },
    });
  });

  test("public services leave out gRPC's infrastructure", () => {
    expect(
      publicServices(["b.B", "grpc.health.v1.Health", "ferry.admin.v1.ReadModelService", "a.A", "grpcish.Service"]),
    ).toEqual(["a.A", "b.B", "ferry.admin.v1.ReadModelService", "grpcish.Service"]);
  });
});

describe("asking by reflection", () => {
  test("gives the public services and their files with all imports", async () => {
    const server = new ScriptedReflection({ files: quoterFiles() });
    const reflected = await reflect({ sender: server, clock: systemClock }, target);
    expect(reflected.services).toEqual([QuoteCommandService.typeName, QuoteQueryService.typeName]);
    expect(reflected.summaries.map(({ name }) => name).sort()).toEqual(
      quoterFiles()
        .map(({ name }) => name)
        .sort(),
    );
    expect(reflected.files).toHaveLength(reflected.summaries.length);
    expect(server.asked).toEqual(["127.0.0.1:1/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]);
    expect(server.cancelled).toBe(1);
  });

  test("asks for imports that did not come along", async () => {
    const server = new ScriptedReflection({ files: quoterFiles(), isSparse: true });
    const { summaries } = await reflect({ sender: server, clock: systemClock }, target);
    expect(summaries).toHaveLength(quoterFiles().length);
  });

  test("falls back to v1alpha, and says so when there is neither", async () => {
    const server = new ScriptedReflection({ files: quoterFiles(), only: "v1alpha" });
    expect((await reflect({ sender: server, clock: systemClock }, target)).services).toHaveLength(2);
    expect(server.asked).toHaveLength(2);
    server.script = { files: [], only: "none" };
    await expect(reflect({ sender: server, clock: systemClock }, target)).rejects.toMatchObject({
      status: Status.UNIMPLEMENTED,
    });
  });

  test("a service whose file the server does not have is left without methods", async () => {
    const server = new ScriptedReflection({ files: quoterFiles(), services: ["odd.Service"] });
    const reflected = await reflect({ sender: server, clock: systemClock }, target);
    expect(reflected).toMatchObject({ services: ["odd.Service"], files: [] });
  });

  test("gives up after 5 s, and at once when nobody is there", async () => {
    const clock = new TestingClock();
    const server = new ScriptedReflection({ files: [], mood: "never" });
    const reflected = reflect({ sender: server, clock }, target);
    const rejected = expect(reflected).rejects.toMatchObject({ status: Status.DEADLINE_EXCEEDED });
    await clock.advance(5_000);
    await rejected;
    expect(server.cancelled).toBe(1);
    server.script = { files: [], mood: "refuse" };
    await expect(reflect({ sender: server, clock }, target)).rejects.toThrow("connection refused");
    expect(clock.pendingTimers).toBe(0);
  });
});
