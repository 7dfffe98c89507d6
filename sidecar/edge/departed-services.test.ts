import { expect, test } from "vitest";
import { nextForgottenAtMs, type RememberedServices, rememberedMs, rememberServices } from "./departed-services.ts";

const present = (...entries: [string, string[]][]) => new Map(entries);
const namesOf = (services: RememberedServices) => [...services].map(([service, { names }]) => [service, ...names]);
const both = rememberServices(new Map(), present(["greeter", ["a.B"]], ["web", ["c.D"]]), 0);

test("a service whose last instance has gone is remembered for ten minutes from then on", () => {
  const gone = rememberServices(both, present(["web", ["c.D"]]), 1_000);
  expect(namesOf(gone)).toEqual([
    ["web", "c.D"],
    ["greeter", "a.B"],
  ]);
  expect(nextForgottenAtMs(gone)).toBe(1_000 + rememberedMs);
  const later = rememberServices(gone, present(["web", ["c.D"]]), rememberedMs + 999);
  expect(namesOf(later)).toHaveLength(2);
  const forgotten = rememberServices(later, present(["web", ["c.D"]]), rememberedMs + 1_000);
  expect(namesOf(forgotten)).toEqual([["web", "c.D"]]);
  expect(nextForgottenAtMs(forgotten)).toBeUndefined();
});

test("one that is back without its names yet keeps them, and with names it has those", () => {
  const back = rememberServices(both, present(["greeter", []], ["web", ["c.D"]]), 1_000);
  expect(back.get("greeter")).toEqual({ names: ["a.B"], goneAtMs: 1_000 });
  const stated = rememberServices(back, present(["greeter", ["a.B2"]], ["web", ["c.D"]]), 2_000);
  expect(stated.get("greeter")).toEqual({ names: ["a.B2"], goneAtMs: undefined });
});

test("a name that another service states is that one's", () => {
  const moved = rememberServices(both, present(["welcome", ["a.B"]], ["web", ["c.D"]]), 1_000);
  expect([...moved.keys()]).toEqual(["welcome", "web"]);
});

test("who never stated a name is not remembered", () => {
  const mute = rememberServices(new Map(), present(["mute", []]), 0);
  expect(rememberServices(mute, present(), 1).size).toBe(0);
});
