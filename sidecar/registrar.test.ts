import { expect, test } from "vitest";
import { TestingClock } from "../common/testing-clock.ts";
import type { Registration, RegistrationHandle, Registry } from "./discovery/registry.ts";
import { Registrar } from "./registrar.ts";

const registration: Registration = {
  id: "s-1",
  service: "s",
  version: "v1",
  host: "127.0.0.1",
  port: 1,
  weight: 1,
  meta: { zone: "a" },
  appPid: 0,
  sidecarPid: 0,
  admin: "",
};

function setUp(options: { refuse?: number; learn?: () => Promise<readonly string[]> } = {}) {
  const clock = new TestingClock();
  const seen: string[] = [];
  let refusals = options.refuse ?? 0;
  const handle: RegistrationHandle = {
    setHealth: async (health) => void seen.push(health),
    enterMaintenance: async () => void seen.push("maintenance"),
    deregister: async () => void seen.push("deregistered"),
  };
  const registry = {
    register: async (given: Registration) => {
      if (refusals-- > 0) throw new Error("registry is away");
      seen.push(`registered ${JSON.stringify(given.meta)}`);
      return handle;
    },
  } as unknown as Registry;
  const registrar = new Registrar({
    registry,
    registration,
    clock,
    learnServices: options.learn ?? (async () => ["a.B"]),
    onTrouble: (sentence) => seen.push(sentence),
  });
  return { clock, seen, registrar };
}

test("an application is registered when it is healthy for the first time, with its services", async () => {
  const { clock, seen, registrar } = setUp();
  registrar.setHealth("critical", "refused");
  await clock.advance(0);
  expect(seen).toEqual([]);
  registrar.setHealth("passing", "");
  await clock.advance(0);
  expect(seen).toEqual(['registered {"zone":"a","ferry_grpc_services":"a.B"}', "passing"]);
  expect(registrar.isInRotation).toBe(true);
});

test("an application without reflection is registered all the same", async () => {
  const { clock, seen, registrar } = setUp({ learn: () => Promise.reject(new Error("no reflection")) });
  registrar.setHealth("passing", "");
  await clock.advance(0);
  expect(seen).toContain('registered {"zone":"a"}');
});

test("a registry that is away is tried again every second", async () => {
  const { clock, seen, registrar } = setUp({ refuse: 2 });
  registrar.setHealth("passing", "");
  await clock.advance(999);
  expect(registrar.isInRotation).toBe(false);
  await clock.advance(1_001);
  expect(seen.at(-1)).toBe("passing");
});

test("a drain leaves rotation first and the registry last, and later health changes nothing", async () => {
  const { clock, seen, registrar } = setUp();
  registrar.setHealth("passing", "");
  await clock.advance(0);
  await registrar.leaveRotation();
  registrar.setHealth("critical", "application ended");
  await clock.advance(0);
  await registrar.deregister();
  expect(seen.slice(1)).toEqual(["passing", "maintenance", "deregistered"]);
});
