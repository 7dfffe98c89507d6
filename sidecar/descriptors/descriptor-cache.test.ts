import { describe, expect, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import type { Endpoint } from "../discovery/registry.ts";
import { Status } from "../grpc/status.ts";
import { StatusError } from "../grpc/status-error.ts";
import { DescriptorCache } from "./descriptor-cache.ts";
import type { Reflected } from "./reflect.ts";
import type { ReflectionTarget } from "./reflection-stream.ts";

function instance(service: string, version: string, port: number): Endpoint {
  const id = `${service}-${port}`;
  return { id, service, version, host: "127.0.0.1", port, weight: 1, health: "passing", meta: {} };
}

function reflected(method: string, idempotent: boolean): Reflected {
  const methods = [{ name: method, traits: { kind: "unary" as const, idempotent } }];
  const services = [{ name: "a.A", methods }];
  return {
    services: ["a.A"],
    files: [Buffer.from(method)],
    summaries: [{ name: "a.proto", dependencies: [], services }],
  };
}

/** Answers by hand. */
class Asked {
  readonly clock = new TestingClock();
  readonly targets: number[] = [];
  readonly told: string[] = [];
  readonly problems: string[] = [];
  readonly #open: { resolve(value: Reflected): void; reject(error: unknown): void }[] = [];
  readonly cache: DescriptorCache;

  constructor(keepsFiles = false) {
    this.cache = new DescriptorCache({
      clock: this.clock,
      random: () => 1,
      keepsFiles,
      ask: ({ port }: ReflectionTarget) => {
        this.targets.push(port);
        return new Promise((resolve, reject) => this.#open.push({ resolve, reject }));
      },
      onProblem: (service, version, detail) => this.problems.push(`${service} ${version}: ${detail}`),
    });
    this.cache.onMethods((service) => this.told.push(service));
  }

  async answer(value: Reflected): Promise<void> {
    this.#open.shift()!.resolve(value);
    await this.clock.advance(0);
  }

  async fail(error: unknown): Promise<void> {
    this.#open.shift()!.reject(error);
    await this.clock.advance(0);
  }
}

describe("the descriptor cache", () => {
  test("knows nothing at first, asks each version once, and tells when it knows more", async () => {
    const asked = new Asked();
    const endpoints = [instance("q", "v1", 1), instance("q", "v1", 2), instance("q", "v2", 3)];
    expect(asked.cache.methodsOf(endpoints)).toEqual({});
    expect(asked.targets).toEqual([1, 3]);
    await asked.answer(reflected("Get", true));
    expect(asked.told).toEqual(["q"]);
    expect(asked.cache.methodsOf(endpoints)).toEqual({ "/a.A/Get": { kind: "unary", idempotent: true } });
    await asked.answer(reflected("Get", false));
    expect(asked.cache.methodsOf(endpoints)).toEqual({ "/a.A/Get": { kind: "unary", idempotent: false } });
    expect(asked.cache.methodsOf(endpoints.slice(0, 2))["/a.A/Get"]?.idempotent).toBe(true);
    expect(asked.targets).toHaveLength(2);
  });

  test("asks two versions at a time", async () => {
    const asked = new Asked();
    asked.cache.methodsOf([1, 2, 3, 4].map((port) => instance(`s${port}`, "", port)));
    expect(asked.targets).toEqual([1, 2]);
    await asked.answer(reflected("A", true));
    expect(asked.targets).toEqual([1, 2, 3]);
  });

  test("tries another instance after a failure, later each time, and reports the problem once", async () => {
    const asked = new Asked();
    asked.cache.methodsOf([instance("q", "v1", 1), instance("q", "v1", 2)]);
    await asked.fail(new Error("connection refused"));
    await asked.clock.advance(999);
    expect(asked.targets).toEqual([1]);
    await asked.clock.advance(1);
    expect(asked.targets).toEqual([1, 2]);
    await asked.fail(new Error("connection refused"));
    await asked.clock.advance(1_999);
    expect(asked.targets).toHaveLength(2);
    await asked.clock.advance(1);
    expect(asked.targets).toEqual([1, 2, 1]);
    await asked.answer(reflected("Get", true));
    expect(asked.problems).toEqual(["q v1: connection refused"]);
    expect(asked.told).toEqual(["q"]);
  });

  test("asks a server without reflection again only after minutes", async () => {
    const asked = new Asked();
    asked.cache.methodsOf([instance("q", "", 1)]);
    await asked.fail(new StatusError(Status.UNIMPLEMENTED, "unknown service"));
    await asked.clock.advance(299_000);
    expect(asked.targets).toHaveLength(1);
    await asked.clock.advance(1_000);
    expect(asked.targets).toHaveLength(2);
    expect(asked.problems).toEqual(["q : it has no server reflection"]);
  });

  test("asks again when a version comes back as other instances, and keeps the old answer until then", async () => {
    const asked = new Asked();
    asked.cache.methodsOf([instance("q", "v1", 1)]);
    await asked.answer(reflected("Old", true));
    asked.cache.methodsOf([instance("q", "v1", 1), instance("q", "v1", 2)]);
    expect(asked.targets).toHaveLength(1);
    expect(Object.keys(asked.cache.methodsOf([instance("q", "v1", 9)]))).toEqual(["/a.A/Old"]);
    expect(asked.targets).toEqual([1, 9]);
    await asked.answer(reflected("New", true));
    expect(Object.keys(asked.cache.methodsOf([instance("q", "v1", 9)]))).toEqual(["/a.A/New"]);
  });

  test("shows what it knows with files, newest version first, only where it keeps them", async () => {
    const gateway = new Asked(true);
    gateway.cache.methodsOf([instance("q", "v2", 1), instance("q", "v10", 2)]);
    await gateway.answer(reflected("Two", true));
    await gateway.answer(reflected("Ten", true));
    expect(gateway.cache.known().map(({ version, files }) => [version, String(files[0])])).toEqual([
      ["v10", "Ten"],
      ["v2", "Two"],
    ]);
    const plain = new Asked();
    plain.cache.methodsOf([instance("q", "v2", 1)]);
    await plain.answer(reflected("Two", true));
    expect(plain.cache.known()[0]?.files).toEqual([]);
  });

  test("is quiet after close", async () => {
    const asked = new Asked();
    asked.cache.methodsOf([instance("q", "v1", 1)]);
    await asked.fail(new Error("no"));
    asked.cache.close();
    expect(asked.clock.pendingTimers).toBe(0);
  });
});
