import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import {
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { localCall, ReplyReader, ScriptedBody } from "../grpc/testing/local-call.ts";
import { PendingReply } from "../pending-reply.ts";
import { answerLocally, edgeMethods } from "./edge.ts";
import { edgeHealth } from "./edge-health.ts";
import { edgeReflection, type ReachableFiles } from "./edge-reflection.ts";

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

function file(init: MessageInitShape<typeof FileDescriptorProtoSchema>): Uint8Array {
  return toBinary(FileDescriptorProtoSchema, create(FileDescriptorProtoSchema, init));
}

/** Two teams that both have a service.proto. */
const sets: ReachableFiles[] = [
  {
    services: ["a.A"],
    files: [file({ name: "service.proto", package: "a", service: [{ name: "A" }, { name: "Hidden" }] })],
  },
  {
    services: ["b.B"],
    files: [
      file({ name: "service.proto", package: "b", dependency: ["common.proto"], service: [{ name: "B" }] }),
      file({ name: "common.proto", package: "b", messageType: [{ name: "Shared" }] }),
    ],
  },
];

async function ask(questions: readonly Question[], version = "v1", reachable = sets) {
  const edge = answerLocally({
    health: { isReady: () => true, services: () => [], isServing: () => undefined, onChange: () => () => {} },
    reflection: { reachable: () => reachable },
  });
  const body = new ScriptedBody();
  for (const messageRequest of questions) {
    body.message(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, { messageRequest }));
  }
  const call = localCall(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, body.end());
  const passedOn = () => PendingReply.withError(new Error("passed on"));
  const reader = new ReplyReader(await edge(passedOn)(call), ServerReflectionResponseSchema);
  return (await reader.until(({ ended }) => ended !== undefined)).messages;
}

function filesIn(response: ServerReflectionResponse | undefined): string[] {
  if (response?.messageResponse.case !== "fileDescriptorResponse") return [];
  return response.messageResponse.value.fileDescriptorProto.map((bytes) => {
    const { name, package: packageName } = fromBinary(FileDescriptorProtoSchema, bytes);
    return `${packageName}:${name}`;
  });
}

const listed = [
  "a.A",
  "b.B",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

describe("the gateway's reflection", () => {
  test.each(["v1", "v1alpha"])("%s lists what is reachable and its own services, and nothing else", async (version) => {
    const [answer] = await ask([{ case: "listServices", value: "" }], version);
    expect(answer?.messageResponse.case).toBe("listServicesResponse");
    expect(answer?.messageResponse.value).toMatchObject({ service: listed.map((name) => ({ name })) });
  });

  test("gives each service the files it was built with, also where names collide", async () => {
    const answers = await ask([
      { case: "fileContainingSymbol", value: "a.A" },
      { case: "fileContainingSymbol", value: "b.B" },
      { case: "fileContainingSymbol", value: "b.Shared" },
      { case: "fileContainingSymbol", value: "grpc.health.v1.Health" },
      { case: "fileByFilename", value: "common.proto" },
    ]);
    expect(answers.map(filesIn)).toEqual([
      ["a:service.proto"],
      ["b:service.proto", "b:common.proto"],
      ["b:common.proto"],
      ["grpc.health.v1:grpc/health/v1/health.proto"],
      ["b:common.proto"],
    ]);
  });

  test("says NOT_FOUND for what nobody has, and goes on", async () => {
    const answers = await ask([
      { case: "fileContainingSymbol", value: "c.C" },
      { case: "fileContainingSymbol", value: "a.A" },
    ]);
    expect(answers[0]?.messageResponse).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
    expect(filesIn(answers[1])).toEqual(["a:service.proto"]);
  });
});

describe("the edge layer", () => {
  const edge = answerLocally({
    health: { isReady: () => true, services: () => [], isServing: () => undefined, onChange: () => () => {} },
    reflection: { reachable: () => [] },
  })((call) => PendingReply.withError(new Error(`passed on ${call.path}`)));

  test("passes every other path on", async () => {
    for (const path of ["/quoter.query.v1.QuoteQueryService/GetQuote", "/grpc.channelz.v1.Channelz/GetServer", "/"]) {
      await expect(edge(localCall(path, new ScriptedBody()))).rejects.toThrow(`passed on ${path}`);
    }
  });

  test("names its methods for metrics as it serves them", () => {
    const health = edgeHealth({
      isReady: () => true,
      services: () => [],
      isServing: () => undefined,
      onChange: () => () => {},
    });
    const reflection = edgeReflection({ reachable: () => [] });
    expect([...edgeMethods].sort()).toEqual([...health.keys(), ...reflection.keys()].sort());
  });

  test("refuses a method that these services do not have", async () => {
    const call = localCall("/grpc.health.v1.Health/Odd", new ScriptedBody());
    await expect(edge(call)).rejects.toMatchObject({ kind: "no_route" });
  });
});
