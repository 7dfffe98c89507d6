// Stock clients through `ferry proxy`, in front of a service that knows nothing of it: grpcurl (Go), connect-node,
// node:http2, curl; health and reflection among what they ask.

import { connect } from "node:http2";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Running, root, runToEnd, startFerry } from "./testing/ferry.ts";
import { makeHome } from "./testing/home.ts";
import { findGrpcurl } from "./testing/tools.ts";

const home = makeHome();
let service: Running;
let proxy: Running;
let address = "";

beforeAll(async () => {
  service = new Running(`${root}/node_modules/.bin/node`, [`${root}/services/quote-command/main.ts`], {
    home: home.path,
    env: { FERRY_EVENTS: "sqlite", FERRY_LISTEN: "127.0.0.1:0" },
  });
  const { listen } = await service.event("ready", 30_000);
  proxy = startFerry(["proxy", "--listen", "127.0.0.1:0", "--upstream", listen, "--json"]);
  address = (await proxy.event("ready", 30_000)).listen;
});

afterAll(async () => {
  proxy?.signal("SIGTERM");
  expect(await proxy?.exited).toEqual({ code: 0, signal: null });
  service?.signal("SIGTERM");
  expect(await service?.exited).toEqual({ code: 0, signal: null });
  home.remove();
});

const grpcurl = (...args: string[]) => runToEnd(findGrpcurl(), ["-plaintext", ...args]);
const commandService = "quoter.command.v1.QuoteCommandService";

test("grpcurl lists, describes and calls by reflection", async () => {
  const list = await grpcurl(address, "list");
  expect(list.stdout.split("\n")).toContain(commandService);
  expect((await grpcurl(address, "describe", `${commandService}.SubmitQuote`)).stdout).toContain("rpc SubmitQuote");
  const quote = '{"text":"By way of a proxy.","author":"grpcurl"}';
  const { code, stdout } = await grpcurl("-d", quote, address, `${commandService}/SubmitQuote`);
  expect([code, Object.keys(JSON.parse(stdout))]).toEqual([0, expect.arrayContaining(["quoteId"])]);
});

test("grpcurl checks and watches health; an unknown service is NOT_FOUND", async () => {
  const health = "grpc.health.v1.Health";
  expect(JSON.parse((await grpcurl(address, `${health}/Check`)).stdout)).toEqual({ status: "SERVING" });
  const unknown = await grpcurl("-d", '{"service":"no.such"}', address, `${health}/Check`);
  expect(unknown.stderr).toContain("Code: NotFound");
  const watched = await grpcurl("-max-time", "1", address, `${health}/Watch`);
  expect(JSON.parse(watched.stdout)).toEqual({ status: "SERVING" });
  expect(watched.stderr).toContain("Code: DeadlineExceeded");
});

test("connect-node asks health and both versions of reflection", async () => {
  const transport = createGrpcTransport({ baseUrl: `http://${address}` });
  expect(await createClient(Health, transport).check({})).toMatchObject({ status: 1 });
  for (const version of [ServerReflection, ServerReflectionAlpha] as const) {
    const client = createClient(version as typeof ServerReflection, transport);
    const names: string[] = [];
    async function* ask() {
      yield { messageRequest: { case: "listServices" as const, value: "" } };
    }
    for await (const { messageResponse } of client.serverReflectionInfo(ask())) {
      if (messageResponse.case !== "listServicesResponse") continue;
      names.push(...messageResponse.value.service.map(({ name }) => name));
    }
    expect(names).toContain(commandService);
  }
});

test("node:http2 and curl get what is not gRPC as HTTP", async () => {
  const session = connect(`http://${address}`);
  const stream = session.request({ ":path": "/nothing" });
  const status = await new Promise((resolve) => stream.on("response", (headers) => resolve(headers[":status"])));
  session.destroy();
  const curl = await runToEnd("curl", [
    "-s",
    "-o",
    "-",
    "-w",
    "%{http_code}",
    "--http2-prior-knowledge",
    `${address}/x`,
  ]);
  expect([String(status), curl.stdout.slice(-3), curl.code]).toEqual(["415", "415", 0]);
});
