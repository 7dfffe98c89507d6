// A whole system for a test: `ferry up --json` in a home of its own, on free ports.

import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { eventually } from "./eventually.ts";
import { type Finished, ferry, type JsonObject, type Running, root, startFerry } from "./ferry.ts";
import { makeHome, type TestHome } from "./home.ts";
import { command, queryV1, queryV2 } from "./quoter-services.ts";

export interface TestStack {
  readonly home: TestHome;
  readonly gateway: string;
  readonly ready: JsonObject;
  readonly up: Running;
  /** A copy of mesh-config/ that the stack runs with; edit it freely. */
  readonly meshConfig: string;
  /** `ferry call … --json` through the gateway; its result object. */
  call(method: string, request: unknown, ...options: string[]): Promise<JsonObject>;
  /** Submits a quote and waits until both read models have it; its id. */
  submit(text: string, author: string): Promise<string>;
  status(): Promise<Finished>;
  /** The process id that `ferry status` has for an instance's application or sidecar. */
  pidOf(instance: string, which: "pid" | "sidecarPid"): Promise<number>;
  /** SIGINT, and the proof that it ended with 0 and left nothing. */
  stop(): Promise<void>;
  /** For afterAll: stops it if the test did not, and removes the home. */
  dispose(): Promise<void>;
}

/** Generous: other tests and people share the machine. */
const readyWithinMs = 90_000;

export async function startStack(env: Readonly<Record<string, string>> = {}): Promise<TestStack> {
  const home = makeHome();
  const meshConfig = join(home.path, "mesh-config");
  cpSync(join(root, "mesh-config"), meshConfig, { recursive: true });
  const args = ["up", "--json", "--gateway", "127.0.0.1:0", "--mesh-config", meshConfig];
  const up = startFerry(args, { home: home.path, env });
  let isStopped = false;
  const stop = async () => {
    up.signal("SIGINT");
    isStopped = true;
    expect(await up.exited, up.stderr).toEqual({ code: 0, signal: null });
    expect(await home.leftOver()).toEqual([]);
  };
  const dispose = async () => {
    if (!isStopped) {
      up.signal("SIGTERM");
      await up.exited;
    }
    home.remove();
  };
  const ready = await up.event("ready", readyWithinMs).catch(async (error: unknown) => {
    await dispose();
    throw error;
  });
  const { gateway } = ready as { gateway: string };
  const status = () => ferry(["status", "--json"], { home: home.path });
  const call: TestStack["call"] = async (method, request, ...options) => {
    const done = await ferry(["call", method, JSON.stringify(request), "--json", ...options], { home: home.path, env });
    if (done.json === undefined) throw new Error(`ferry call ${method} printed no result: ${done.stderr}`);
    return done.json;
  };
  return {
    ...{ home, gateway, ready, up, meshConfig, call, status, stop, dispose },
    async submit(text, author) {
      const submitted = await call(`${command}/SubmitQuote`, { text, author });
      expect(submitted).toMatchObject({ code: "OK" });
      const { quoteId, position: minPosition } = submitted.messages[0];
      const seenBy = new Set<string>();
      await eventually(`both versions show ${quoteId}`, 20_000, async () => {
        const { code, headers } = await call(`${queryV1}/GetQuote`, { quoteId, minPosition }, "--timeout", "5s");
        if (code === "OK") seenBy.add(headers["x-quoter-version"]);
        const second = await call(`${queryV2}/GetQuote`, { quoteId, minPosition }, "--timeout", "5s");
        if (second.code === "OK") seenBy.add("v2");
        return seenBy.size === 2 ? true : undefined;
      });
      return quoteId;
    },
    async pidOf(instance, which) {
      const { json } = await status();
      for (const service of json?.services ?? []) {
        for (const found of service.instances) if (found.id === instance) return found[which];
      }
      throw new Error(`no instance ${instance} in ${JSON.stringify(json)}`);
    },
  };
}
