import { expect, test } from "vitest";
import { TestingClock } from "../../common/testing-clock.ts";
import type { RoutedCall } from "../call.ts";
import { PendingReply } from "../pending-reply.ts";
import { defaultCallPolicy } from "../routing/policy/call-policy.ts";
import { fault } from "./fault.ts";
import { mirror } from "./mirror.ts";
import { MirrorPlaces } from "./mirror-places.ts";

const noChance = () => {
  throw new Error("nothing to decide by chance here");
};

test("faults and mirroring that are off hand on the very call and the very pending reply, and ask no chance", () => {
  const routed = { route: { policy: defaultCallPolicy } } as RoutedCall;
  const reply = new PendingReply();
  const next = (call: RoutedCall) => {
    expect(call).toBe(routed);
    return reply;
  };
  const clock = new TestingClock();
  const form = { expected: "", parse: noChance };
  expect(fault({ clock, random: noChance, forms: { delay: form, abort: form } })(next)(routed)).toBe(reply);
  const deps = { clock, random: noChance, places: new MirrorPlaces(), maxBodyBytes: 0 };
  expect(mirror({ ...deps, send: noChance, onMirrored: noChance })(next)(routed)).toBe(reply);
  expect(clock.pendingTimers).toBe(0);
});

test("places are given back, and a target without copies is forgotten", () => {
  const places = new MirrorPlaces();
  const target = { name: "t/v2", service: "t", subset: "v2", percent: 100 };
  expect([places.take(target, 2), places.take(target, 2), places.take(target, 2)]).toEqual([true, true, false]);
  places.giveBack(target);
  expect(places.take(target, 2)).toBe(true);
  places.giveBack(target);
  places.giveBack(target);
  expect(places.underWay(target)).toBe(0);
});
