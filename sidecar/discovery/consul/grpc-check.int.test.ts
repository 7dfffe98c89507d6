// The gRPC check that an agent may make beside what it is told (FERRY_CONSUL_GRPC_CHECK): it dials the registered
// address and asks grpc.health.v1.

import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { systemClock } from "../../../common/clock.ts";
import { registrationOf } from "../registry.suite.ts";
import type { Endpoint } from "../registry.ts";
import { ConsulRegistry } from "./consul-registry.ts";
import { type ConsulAgent, startConsul } from "./testing/consul-agent.ts";
import { openRegistry } from "./testing/open-registry.ts";

// grpc.health.v1.HealthCheckResponse with its prefix.
const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1]);
const notServing = Buffer.from([0, 0, 0, 0, 2, 8, 2]);

let agent: ConsulAgent;
let server: Http2Server;
let answer = serving;
const asked: string[] = [];
beforeAll(async () => {
  agent = await startConsul();
  server = createServer();
  server.on("stream", (stream, headers) => {
    asked.push(String(headers[":path"]));
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
});
afterAll(async () => {
  server?.close();
  await agent?.remove();
});

test("with the gRPC check an instance that says NOT_SERVING to the agent is critical, whatever we told", async () => {
  const { watches, registry: reader } = openRegistry(agent);
  const onProblem = () => {};
  const deps = { client: agent.connect(), watches, clock: systemClock, onProblem, hasGrpcCheck: true };
  const registry = new ConsulRegistry(deps);
  const { port } = server.address() as AddressInfo;
  const handle = await registry.register({ ...registrationOf("web", "web-1"), host: "127.0.0.1", port });
  await handle.setHealth("passing", "");
  const stop = new AbortController();
  let seen: readonly Endpoint[] = [];
  reader.watchService(
    "web",
    (endpoints) => {
      seen = endpoints;
    },
    stop.signal,
  );
  await vi.waitFor(() => expect(asked).toContain("/grpc.health.v1.Health/Check"), { timeout: 10_000 });
  await vi.waitFor(() => expect(seen).toMatchObject([{ id: "web-1", health: "passing" }]), { timeout: 5_000 });
  answer = notServing;
  await vi.waitFor(() => expect(seen).toMatchObject([{ id: "web-1", health: "critical" }]), { timeout: 15_000 });
  stop.abort();
  await handle.deregister();
  await registry.close();
  await reader.close();
}, 40_000);
