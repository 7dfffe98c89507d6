// The suite of every registry, against a real Consul agent.

import { afterAll, beforeAll } from "vitest";
import { registrySuite } from "../registry.suite.ts";
import { type ConsulAgent, startConsul, wipe } from "./testing/consul-agent.ts";
import { openRegistry } from "./testing/open-registry.ts";

let agent: ConsulAgent;
beforeAll(async () => {
  agent = await startConsul();
});
afterAll(() => agent?.remove());

registrySuite("Consul", {
  open: async () => {
    await wipe(agent);
    return { connect: async () => openRegistry(agent).registry, remove: async () => {} };
  },
});
