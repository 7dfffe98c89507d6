// What is done to the mesh, one thing after the other: signals to processes, and what the relay before an instance does
// to its connections. Each ends with everything there again.

import type { Incident, Load } from "./incident.ts";
import type { Part, QueryInstance } from "./query-instance.ts";

/** A part stands still, as in a pause that does not end: connections stay open and nobody answers. */
function stopped(part: Part, what: string): Incident {
  return {
    name: `SIGSTOP of ${what}`,
    async play([victim], load) {
      victim!.signal(part, "SIGSTOP");
      await load.pass(5);
      victim!.signal(part, "SIGCONT");
      await load.pass(1);
    },
  };
}

function killed(parts: readonly Part[], what: string): Incident {
  return {
    name: `kill -9 of ${what}`,
    async play([victim], load) {
      for (const part of parts) victim!.signal(part, "SIGKILL");
      await load.pass(3);
      for (const part of parts) await restarted(victim!, part);
      await load.pass(1);
    },
  };
}

const slow: Incident = {
  name: "one slow of three (400 ms more)",
  async play([victim], load) {
    victim!.relay.delay(200);
    await load.pass(5);
    victim!.relay.delay(0);
    await load.pass(1);
  },
};

const slower: Incident = {
  name: "one very slow of three (2 s more)",
  async play([victim], load) {
    victim!.relay.delay(1000);
    await load.pass(5);
    victim!.relay.delay(0);
    await load.pass(1);
  },
};

const halfOpen: Incident = {
  name: "half-open network to one of three",
  async play([victim], load) {
    victim!.relay.cut();
    await load.pass(6);
    victim!.relay.mend();
    await load.pass(1);
  },
};

/** Short pauses of each in turn. */
const pauses: Incident = {
  name: "pauses of 300 ms, one after the other",
  async play(instances, load) {
    for (const instance of [...instances, ...instances]) {
      instance.signal("app", "SIGSTOP");
      await load.pass(0.3);
      instance.signal("app", "SIGCONT");
      await load.pass(0.3);
    }
  },
};

const rollingRestart: Incident = {
  name: "rolling restart",
  async play(instances, load) {
    for (const instance of instances) {
      await instance.restart();
      await load.pass(0.5);
    }
  },
};

/** The same without a drain. */
const rollingKill: Incident = {
  name: "rolling kill -9 and restart",
  async play(instances, load) {
    for (const instance of instances) {
      for (const part of bothParts) instance.signal(part, "SIGKILL");
      await restartedBoth(instance);
      await load.pass(1);
    }
  },
};

const allDown: Incident = {
  name: "all down for 5 s",
  play: (instances, load) => allAway(instances, load, ["app"]),
};

const allGone: Incident = {
  name: "all gone for 5 s, sidecars too",
  play: (instances, load) => allAway(instances, load, ["app", "sidecar"]),
};

async function allAway(instances: readonly QueryInstance[], load: Load, parts: readonly Part[]): Promise<void> {
  load.nobodyServes();
  for (const instance of instances) for (const part of parts) instance.signal(part, "SIGKILL");
  await load.pass(5);
  await Promise.all(
    instances.map(async (instance) => {
      for (const part of parts) await restarted(instance, part);
    }),
  );
  load.somebodyServes();
  await load.pass(4);
}

const bothParts: readonly Part[] = ["app", "sidecar"];

async function restarted(instance: QueryInstance, part: Part): Promise<void> {
  await instance.exited(part);
  await instance.start(part);
}

async function restartedBoth(instance: QueryInstance): Promise<void> {
  for (const part of bothParts) await restarted(instance, part);
}

export const incidents: readonly Incident[] = [
  stopped("app", "an application"),
  stopped("sidecar", "a sidecar"),
  killed(["app"], "an application"),
  killed(["sidecar"], "a sidecar"),
  killed(bothParts, "both"),
  ...[slow, slower, halfOpen, pauses, rollingRestart, rollingKill, allDown, allGone],
];
