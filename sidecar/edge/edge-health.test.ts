import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthListRequestSchema,
  HealthListResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { goAway, localCall, ReplyReader, ScriptedBody } from "../grpc/testing/local-call.ts";
import { edgeHealth } from "./edge-health.ts";

class ScriptedSource {
  isGatewayReady = true;
  readonly serving = new Map<string, boolean>();
  readonly listeners = new Set<() => void>();
  hasToEnd = false;

  isDraining(): boolean {
    return this.hasToEnd;
  }

  isReady(): boolean {
    return this.isGatewayReady;
  }

  services(): readonly string[] {
    return [...this.serving.keys()];
  }

  isServing(service: string): boolean | undefined {
    return this.serving.get(service);
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  set(service: string, isServing: boolean): void {
    this.serving.set(service, isServing);
    for (const listener of this.listeners) listener();
  }
}

async function ask<I extends DescMessage, O extends DescMessage>(
  source: ScriptedSource,
  method: string,
  question: { input: I; request: MessageShape<I>; output: O },
) {
  const path = `/grpc.health.v1.Health/${method}`;
  const call = localCall(path, new ScriptedBody().message(question.input, question.request, true));
  return { call, reader: new ReplyReader(await edgeHealth(source).get(path)!(call), question.output) };
}

function about(service: string) {
  const request = create(HealthCheckRequestSchema, { service });
  return { input: HealthCheckRequestSchema, request, output: HealthCheckResponseSchema };
}

const everything = {
  input: HealthListRequestSchema,
  request: create(HealthListRequestSchema),
  output: HealthListResponseSchema,
};

describe("Check", () => {
  test("answers for the gateway under the empty name", async () => {
    const source = new ScriptedSource();
    expect((await ask(source, "Check", about(""))).reader.messages).toMatchObject([{ status: ServingStatus.SERVING }]);
    source.isGatewayReady = false;
    expect((await ask(source, "Check", about(""))).reader.messages).toMatchObject([
      { status: ServingStatus.NOT_SERVING },
    ]);
  });

  test("answers for a routed service by its endpoints, and NOT_FOUND for one that nothing routes", async () => {
    const source = new ScriptedSource();
    source.set("a.A", true);
    source.set("b.B", false);
    expect((await ask(source, "Check", about("a.A"))).reader.messages).toMatchObject([
      { status: ServingStatus.SERVING },
    ]);
    expect((await ask(source, "Check", about("b.B"))).reader.messages).toMatchObject([
      { status: ServingStatus.NOT_SERVING },
    ]);
    expect((await ask(source, "Check", about("c.C"))).reader.value("grpc-status")).toBe("5");
  });
});

describe("List", () => {
  test("names the gateway and every routed service", async () => {
    const source = new ScriptedSource();
    source.set("a.A", true);
    source.set("b.B", false);
    const { reader } = await ask(source, "List", everything);
    expect(reader.messages[0]?.statuses).toMatchObject({
      "": { status: ServingStatus.SERVING },
      "a.A": { status: ServingStatus.SERVING },
      "b.B": { status: ServingStatus.NOT_SERVING },
    });
  });

  test("refuses more than 100 entries", async () => {
    const source = new ScriptedSource();
    for (let i = 0; i < 100; i++) source.serving.set(`s.S${i}`, true);
    expect((await ask(source, "List", everything)).reader.value("grpc-status")).toBe("8");
  });
});

describe("Watch", () => {
  test("tells each change once, begins with SERVICE_UNKNOWN, and stops when the caller goes away", async () => {
    const source = new ScriptedSource();
    const { call, reader } = await ask(source, "Watch", about("a.A"));
    await reader.until(({ messages }) => messages.length === 1);
    source.set("a.A", true);
    await reader.until(({ messages }) => messages.length === 2);
    source.set("other.B", true);
    source.set("a.A", true);
    source.set("a.A", false);
    await reader.until(({ messages }) => messages.length === 3);
    expect(reader.messages.map(({ status }) => status)).toEqual([
      ServingStatus.SERVICE_UNKNOWN,
      ServingStatus.SERVING,
      ServingStatus.NOT_SERVING,
    ]);
    expect(source.listeners.size).toBe(1);
    goAway(call);
    await new Promise((resolve) => setImmediate(resolve));
    expect(source.listeners.size).toBe(0);
  });

  test("tells NOT_SERVING and ends when the gateway drains, so that it holds nothing up", async () => {
    const source = new ScriptedSource();
    source.set("a.A", true);
    const { reader } = await ask(source, "Watch", about("a.A"));
    await reader.until(({ messages }) => messages.length === 1);
    source.hasToEnd = true;
    source.set("a.A", true);
    await reader.until(({ ended }) => ended !== undefined);
    expect(reader.messages.at(-1)?.status).toBe(ServingStatus.NOT_SERVING);
    expect(reader.value("grpc-status")).toBe("14");
    expect(source.listeners.size).toBe(0);
  });
});
