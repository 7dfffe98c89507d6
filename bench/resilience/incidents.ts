// The incidents that the bench plays, each named and told: what is there, what happens to it and for how long.

import type { Incident } from "./incident.ts";
import type { ModelledServer, ServerShape } from "./modelled-server.ts";
import type { Tier, World } from "./world.ts";

/** 10 ms a call and eight at a time: an instance can do 800 calls a second. */
const roomy: ServerShape = { workers: 8, serviceMs: 10 };

function tier(instances: number, shape: ServerShape = roomy, name = "quotes"): Tier {
  return { name, instances, shape };
}

const first = (world: World): ModelledServer => world.servers[0]!;

const oneSlow: Incident = {
  name: "one slow of five",
  story: "One of five instances takes forty times as long for each call, for 20 s.",
  callsPerSecond: 200,
  tiers: [tier(5)],
  troubleMs: 20_000,
  recoveryMs: 5_000,
  begin(world) {
    first(world).slowness = 40;
    world.clock.after(20_000, () => {
      first(world).slowness = 1;
    });
  },
};

const oneFailing: Incident = {
  name: "one failing fast of three",
  story: "One of three instances answers every call at once with UNAVAILABLE, in trailers after a header, for 20 s.",
  callsPerSecond: 200,
  tiers: [tier(3)],
  troubleMs: 20_000,
  recoveryMs: 5_000,
  begin: (world) => ail(world, [first(world)], "failing", 20_000),
};

const allDown: Incident = {
  name: "all down for 10 s",
  story: "All three instances answer every call with UNAVAILABLE for 10 s, as when what they stand on is away.",
  callsPerSecond: 200,
  tiers: [tier(3)],
  troubleMs: 10_000,
  recoveryMs: 10_000,
  begin: (world) => ail(world, world.servers, "failing", 10_000),
};

const allKilled: Incident = {
  name: "all killed for 10 s",
  story: "All three instances are gone for 10 s: connections break, new ones are refused.",
  callsPerSecond: 200,
  tiers: [tier(3)],
  troubleMs: 10_000,
  recoveryMs: 10_000,
  begin: (world) => ail(world, world.servers, "down", 10_000),
};

const brownOut: Incident = {
  name: "brown-out at 80 % capacity",
  story:
    "Three instances that can do 300 calls a second together get 200; for 15 s they slow down until they can do " +
    "160, 80 % of what is asked. An instance refuses a call with UNAVAILABLE when 20 wait there already.",
  callsPerSecond: 200,
  tiers: [tier(3, { workers: 4, serviceMs: 40, maxQueue: 20 })],
  troubleMs: 15_000,
  recoveryMs: 10_000,
  begin(world) {
    for (const server of world.servers) server.slowness = 300 / 160;
    world.clock.after(15_000, () => {
      for (const server of world.servers) server.slowness = 1;
    });
  },
};

const pauses: Incident = {
  name: "GC pauses",
  story: "Each of three instances stands still for 0.3 to 1.5 s every 3 s or so, at moments of its own, for 30 s.",
  callsPerSecond: 200,
  tiers: [tier(3)],
  troubleMs: 30_000,
  recoveryMs: 5_000,
  begin(world) {
    const random = world.random();
    const untilMs = world.clock.nowMs() + 30_000;
    for (const server of world.servers) {
      const pause = () => {
        if (world.clock.nowMs() >= untilMs) return;
        server.freeze(300 + random() * 1200);
        world.clock.after(2000 + random() * 2000, pause);
      };
      world.clock.after(random() * 3000, pause);
    }
  },
};

const rollingRestart: Incident = {
  name: "rolling restart",
  story:
    "Three instances are killed and started again one after the other, without a drain: connections break, for 2 s " +
    "new ones are refused, then calls take five times as long for 1 s. 5 s from one to the next.",
  callsPerSecond: 200,
  tiers: [tier(3)],
  troubleMs: 15_000,
  recoveryMs: 5_000,
  begin(world) {
    world.servers.forEach((server, n) => {
      world.clock.after(n * 5000, () => {
        ail(world, [server], "down", 2000);
        world.clock.after(2000, () => {
          server.slowness = 5;
        });
        world.clock.after(3000, () => {
          server.slowness = 1;
        });
      });
    });
  },
};

const storm: Incident = {
  name: "retry storm through three hops",
  story:
    "Clients call a service that calls a second that calls a third, three instances each. For 10 s two instances of " +
    "the third answer with UNAVAILABLE at once, and the one that is left can do two thirds of what is asked. It " +
    "refuses a call with UNAVAILABLE when 20 wait, and a refusal costs it a quarter of what an answer does. " +
    "Applications pass on deadline, traceparent and the status, nothing else. Amplification is what the third gets " +
    "for each call of a client.",
  callsPerSecond: 300,
  tiers: [
    tier(3, roomy, "front"),
    tier(3, roomy, "middle"),
    tier(3, { workers: 4, serviceMs: 20, maxQueue: 20, refusalMs: 5 }, "back"),
  ],
  troubleMs: 10_000,
  recoveryMs: 10_000,
  courses: 1,
  begin: (world) => ail(world, world.servers.slice(1), "failing", 10_000),
};

const blackHole: Incident = {
  name: "black hole",
  story: "One of three instances takes connections and requests and never answers, for 20 s.",
  callsPerSecond: 200,
  tiers: [tier(3)],
  troubleMs: 20_000,
  recoveryMs: 5_000,
  begin: (world) => ail(world, [first(world)], "silent", 20_000),
};

const halfOpen: Incident = {
  name: "half-open network",
  story:
    "The host of one of three instances vanishes: connections to it look open and nothing comes back. After 8 s the " +
    "kernel gives them up, and from then on new connections time out. After 20 s it is back.",
  callsPerSecond: 200,
  tiers: [tier(3)],
  troubleMs: 20_000,
  recoveryMs: 5_000,
  begin(world) {
    ail(world, [first(world)], "vanished", 20_000);
    world.clock.after(8000, () => first(world).loseConnections());
  },
};

/** The same with another rate. */
function at(incident: Incident, callsPerSecond: number): Incident {
  return { ...incident, callsPerSecond };
}

export const incidents: readonly Incident[] = [
  ...[oneSlow, oneFailing, at(oneFailing, 1000), allDown, allKilled, brownOut, pauses, rollingRestart],
  ...[storm, blackHole, at(blackHole, 1000), halfOpen],
];

function ail(
  world: World,
  servers: readonly ModelledServer[],
  health: "failing" | "silent" | "vanished" | "down",
  ms: number,
) {
  for (const server of servers) server.become(health);
  world.clock.after(ms, () => {
    for (const server of servers) server.become("well");
  });
}
