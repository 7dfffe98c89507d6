// What every Registry does, whatever stands behind it. Run by each implementation's test with a factory.

import { afterEach, describe, expect, test } from "vitest";
import type { Endpoint, Registration, Registry } from "./registry.ts";

export interface RegistrySuiteOptions {
  /** A fresh, empty registry, and a further client of the same one at every call of `connect`. */
  readonly open: () => Promise<{ connect: () => Promise<Registry>; remove: () => Promise<void> }>;
}

export function registrySuite(name: string, options: RegistrySuiteOptions): void {
  describe(`registry on ${name}`, () => {
    const closers: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
    });

    async function open(clients: number): Promise<Registry[]> {
      const { connect, remove } = await options.open();
      closers.push(remove);
      const registries: Registry[] = [];
      for (let i = 0; i < clients; i++) {
        const registry = await connect();
        closers.push(() => registry.close());
        registries.push(registry);
      }
      return registries;
    }

    function watchService(registry: Registry, service: string): Seen<readonly Endpoint[]> {
      const seen = new Seen<readonly Endpoint[]>();
      const stop = new AbortController();
      closers.push(async () => stop.abort());
      registry.watchService(service, (endpoints) => seen.add(endpoints), stop.signal);
      return seen;
    }

    function watchServices(registry: Registry): Seen<ReadonlyMap<string, readonly string[]>> {
      const seen = new Seen<ReadonlyMap<string, readonly string[]>>();
      const stop = new AbortController();
      closers.push(async () => stop.abort());
      registry.watchServices((services) => seen.add(services), stop.signal);
      return seen;
    }

    test("a watch of a service that nobody registered begins with the empty set", async () => {
      const [registry] = (await open(1)) as [Registry];
      const seen = watchService(registry, "nobody");
      expect(await seen.next()).toEqual([]);
    });

    test("another client sees a registration with all that a balancer needs", async () => {
      const [mine, theirs] = (await open(2)) as [Registry, Registry];
      const seen = watchService(theirs, "quote-query");
      expect(await seen.next()).toEqual([]);
      const handle = await mine.register(registrationOf("quote-query", "quote-query-1"));
      await handle.setHealth("passing", "");
      const endpoints = await seen.until(([endpoint]) => endpoint?.health === "passing");
      expect(endpoints).toHaveLength(1);
      // What only some registries know, for filters, is their own business.
      const { tags: _tags, node: _node, ...known } = endpoints[0]!;
      expect(known).toEqual({
        id: "quote-query-1",
        service: "quote-query",
        version: "v1",
        host: "127.0.0.1",
        port: 21001,
        weight: 1,
        health: "passing",
        meta: { zone: "a", version: "v1" },
      });
    });

    test("a new registration gets no traffic before its health was told", async () => {
      const [registry] = (await open(1)) as [Registry];
      await registry.register(registrationOf("quote-query", "quote-query-1"));
      const seen = watchService(registry, "quote-query");
      const endpoints = await seen.until((set) => set.length === 1);
      expect(endpoints[0]?.health).toBe("critical");
    });

    test("a change of health reaches every watcher", async () => {
      const [mine, theirs] = (await open(2)) as [Registry, Registry];
      const handle = await mine.register(registrationOf("quote-query", "quote-query-1"));
      await handle.setHealth("passing", "");
      const watches = [watchService(mine, "quote-query"), watchService(theirs, "quote-query")];
      for (const seen of watches) await seen.until((set) => set[0]?.health === "passing");
      await handle.setHealth("critical", "connection refused");
      for (const seen of watches) await seen.until((set) => set[0]?.health === "critical");
    });

    test("maintenance takes an instance out of rotation and leaves it visible with its reason", async () => {
      const [registry] = (await open(1)) as [Registry];
      const handle = await registry.register(registrationOf("quote-query", "quote-query-1"));
      await handle.setHealth("passing", "");
      const seen = watchService(registry, "quote-query");
      await seen.until((set) => set[0]?.health === "passing");
      await handle.enterMaintenance("draining");
      await seen.until((set) => set[0]?.health === "critical");
      await handle.setHealth("critical", "stopped");
      await handle.setHealth("passing", "");
      const [instance] = await registry.listInstances();
      expect(instance).toMatchObject({ id: "quote-query-1", health: "maintenance", note: "draining" });
    });

    test("deregistering removes the instance, twice is as once, and no later health brings it back", async () => {
      const [mine, theirs] = (await open(2)) as [Registry, Registry];
      const handle = await mine.register(registrationOf("quote-query", "quote-query-1"));
      const seen = watchService(theirs, "quote-query");
      await seen.until((set) => set.length === 1);
      await handle.deregister();
      await handle.deregister();
      await handle.setHealth("passing", "");
      await seen.until((set) => set.length === 0);
      expect(await mine.listInstances()).toEqual([]);
    });

    test("an equal set is not told again", async () => {
      const [registry] = (await open(1)) as [Registry];
      const handle = await registry.register(registrationOf("quote-query", "quote-query-1"));
      await handle.setHealth("passing", "");
      const seen = watchService(registry, "quote-query");
      await seen.until((set) => set[0]?.health === "passing");
      await handle.setHealth("passing", "");
      await handle.setHealth("passing", "a note is no reason to tell");
      const other = await registry.register(registrationOf("quote-command", "quote-command-1"));
      await other.setHealth("passing", "");
      await handle.setHealth("warning", "slow");
      await seen.until((set) => set[0]?.health === "warning");
      for (let i = 1; i < seen.values.length; i++) expect(seen.values[i]).not.toEqual(seen.values[i - 1]);
    });

    test("a watch that was aborted is told nothing more", async () => {
      const [registry] = (await open(1)) as [Registry];
      const stop = new AbortController();
      const stopped = new Seen<readonly Endpoint[]>();
      registry.watchService("quote-query", (set) => stopped.add(set), stop.signal);
      await stopped.next();
      stop.abort();
      const seen = watchService(registry, "quote-query");
      await registry.register(registrationOf("quote-query", "quote-query-1"));
      await seen.until((set) => set.length === 1);
      expect(stopped.values).toEqual([[]]);
    });

    test("operators see every instance with what was registered and why it is not passing", async () => {
      const [mine, theirs] = (await open(2)) as [Registry, Registry];
      const first = await mine.register(registrationOf("quote-query", "quote-query-1"));
      await mine.register(registrationOf("quote-command", "quote-command-1"));
      await first.setHealth("critical", "connection refused");
      const instances = await theirs.listInstances();
      expect(instances.map((instance) => instance.id)).toEqual(["quote-command-1", "quote-query-1"]);
      expect(instances[1]).toEqual({
        ...registrationOf("quote-query", "quote-query-1"),
        health: "critical",
        note: "connection refused",
      });
    });

    test("a watch of all services tells the gRPC services that their instances stated", async () => {
      const [mine, theirs] = (await open(2)) as [Registry, Registry];
      const seen = watchServices(theirs);
      expect(await seen.next()).toEqual(new Map());
      const meta = { ferry_grpc_services: "helloworld.Greeter,helloworld.Fareweller" };
      const greeter = await mine.register({ ...registrationOf("greeter", "greeter-1"), meta });
      await mine.register(registrationOf("quote-query", "quote-query-1"));
      const both = await seen.until((services) => services.size === 2);
      expect([...both]).toEqual([
        ["greeter", ["helloworld.Fareweller", "helloworld.Greeter"]],
        ["quote-query", []],
      ]);
      await greeter.deregister();
      const left = await seen.until((services) => services.size === 1);
      expect([...left.keys()]).toEqual(["quote-query"]);
    });

    test("a working registry says so", async () => {
      const [registry] = (await open(1)) as [Registry];
      await watchService(registry, "quote-query").next();
      expect(registry.status().ok).toBe(true);
    });
  });
}

export function registrationOf(service: string, id: string): Registration {
  return {
    ...{ id, service, version: "v1", host: "127.0.0.1", port: 21001, weight: 1 },
    meta: { zone: "a" },
    appPid: 0,
    sidecarPid: process.pid,
    admin: "127.0.0.1:21002",
  };
}

/** What a watch told so far, to be waited for. */
class Seen<T> {
  readonly values: T[] = [];
  #read = 0;
  #wake: (() => void) | undefined;

  add(value: T): void {
    this.values.push(value);
    this.#wake?.();
  }

  async next(): Promise<T> {
    while (this.#read >= this.values.length) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.values[this.#read++]!;
  }

  async until(holds: (value: T) => boolean): Promise<T> {
    for (;;) {
      const value = await this.next();
      if (holds(value)) return value;
    }
  }
}
