// One registration of ours at the agent: written, kept alive and true, taken out in two steps. Made by ConsulRegistry.
//
// What is wanted stands here; the agent is told at every change and in every heartbeat, so that an agent that was away
// hears it again. One that does not know us any more gets the whole registration anew: at once when it was away
// meanwhile (restarted without its data), after 30 s when it was there all the time, because then somebody deregistered
// us and means it. `consul maint` is what keeps an instance out for longer.

import type { Clock, Timer } from "../../../common/clock.ts";
import type { Registration, RegistrationHandle } from "../registry.ts";
import {
  checkIdOf,
  type Health,
  isRegisteredBy,
  registrationBody,
  sidecarBody,
  sidecarIdOf,
  ttlSeconds,
} from "./catalog-entry.ts";
import { type ConsulClient, ConsulRefused, type ConsulReply, ConsulUnreachable } from "./consul-client.ts";
import type { ConsulWatches } from "./consul-watches.ts";

export interface ConsulInstanceDeps {
  readonly client: ConsulClient;
  readonly watches: ConsulWatches;
  readonly clock: Clock;
  readonly onProblem: (sentence: string) => void;
  /** The agent is to ask for the health itself, beside what it is told. */
  readonly hasGrpcCheck?: boolean;
}

const heartbeatMs = (ttlSeconds * 1_000) / 3;
/** While the agent is away or did not take it. */
const retryMs = 500;
/** Until the alias check has been seen to follow. */
const aliasLookMs = 200;
/** How long somebody's deregistration counts. */
const awayMs = 30_000;

export class ConsulInstance implements RegistrationHandle {
  readonly #registration: Registration;
  readonly #deps: ConsulInstanceDeps;
  readonly #abort = new AbortController();
  #health: Health = "critical";
  #note = "no health check has passed yet";
  #maintenance: string | undefined;
  #isGone = false;
  #isFailing = false;
  /** `watches.outages` when the agent last knew us; undefined: it has been away since. */
  #knownAtOutage: number | undefined;
  #awayUntilMs: number | undefined;
  /** Looks at the alias check in a row that found it behind; undefined: it follows. */
  #aliasDoubts: number | undefined = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #timer: Timer | undefined;

  constructor(registration: Registration, deps: ConsulInstanceDeps) {
    this.#registration = registration;
    this.#deps = deps;
  }

  /** Registers it; rejects when the agent does not take it. */
  async begin(): Promise<void> {
    await this.#enqueue(() => this.#register("first"));
    this.#scheduleHeartbeat(heartbeatMs);
    this.#watchOwn();
  }

  /** Resolves when the agent knows, or when it is away and will be told as soon as it is back. */
  async setHealth(health: Health, note: string): Promise<void> {
    if (this.#isGone || (health === this.#health && note === this.#note)) return;
    this.#health = health;
    this.#note = note;
    await this.#enqueue(() => this.#tellOrRetry());
  }

  async enterMaintenance(reason: string): Promise<void> {
    this.#maintenance = reason;
    await this.#enqueue(() => this.#tellOrRetry());
  }

  async deregister(): Promise<void> {
    const wasGone = this.#isGone;
    this.#isGone = true;
    this.#timer?.cancel();
    this.#abort.abort();
    if (wasGone) {
      await this.#queue;
      return;
    }
    await this.#enqueue(async () => {
      const { client } = this.#deps;
      const { id } = this.#registration;
      const there = await client.ask({ path: `agent/service/${encodeURIComponent(id)}` });
      // Our successor may have registered already.
      if (there.status === 200 && !isRegisteredBy(this.#registration, JSON.parse(there.text))) return;
      await this.#takeOut();
    });
  }

  /** Ends the heartbeats; the registration stays. */
  close(): void {
    this.#isGone = true;
    this.#timer?.cancel();
    this.#abort.abort();
  }

  async #register(why: "first" | "forgotten" | "alias"): Promise<void> {
    const { client, onProblem } = this.#deps;
    const { id } = this.#registration;
    // A life before this one under the same id may have ended in its drain; what an operator put there stays.
    if (why === "first") await this.#endOwnMaintenance();
    // The instance last: what feeds its check then knows that both are there.
    const state = { health: this.#health, note: this.#note, hasGrpcCheck: this.#deps.hasGrpcCheck };
    for (const body of [sidecarBody(this.#registration), registrationBody(this.#registration, state)]) {
      const query = { "replace-existing-checks": "true" };
      await client.expectOk({ method: "PUT", path: "agent/service/register", query, body });
    }
    this.#aliasDoubts = 0;
    if (this.#maintenance !== undefined) await this.#setMaintenance(true, this.#maintenance);
    else if (why === "forgotten") onProblem(`${client.name} did not know ${id} any more; it is registered again`);
    if ((await this.#feed()).status === 200) this.#noteKnown();
  }

  async #endOwnMaintenance(): Promise<void> {
    const path = `agent/health/service/id/${encodeURIComponent(this.#registration.id)}`;
    const reply = await this.#deps.client.ask({ path });
    if (reply.status === 404 || !reply.text.includes("_service_maintenance:")) return;
    const { Checks = [] } = JSON.parse(reply.text) as { Checks?: { CheckID?: string; Notes?: string }[] };
    const maintenance = Checks.find(({ CheckID }) => CheckID?.startsWith("_service_maintenance:"));
    if (maintenance?.Notes === ownReason) await this.#setMaintenance(false, "");
  }

  #setMaintenance(isOn: boolean, reason: string): Promise<ConsulReply> {
    return this.#deps.client.expectOk({
      method: "PUT",
      path: `agent/service/maintenance/${encodeURIComponent(this.#registration.id)}`,
      query: { enable: String(isOn), reason },
    });
  }

  #feed(): Promise<ConsulReply> {
    return this.#deps.client.ask({
      method: "PUT",
      path: `agent/check/update/${encodeURIComponent(checkIdOf(this.#registration.id))}`,
      body: { Status: this.#health, Output: this.#note },
    });
  }

  /** Tells the agent what is wanted; registers again where it does not know us. */
  async #tell(): Promise<void> {
    if (this.#isGone) return;
    const { client } = this.#deps;
    const fed = await this.#feed();
    if (fed.status !== 200 && fed.status !== 404) {
      throw new ConsulRefused(`${client.name}: health of ${this.#registration.id}`, fed);
    }
    const sidecar = await this.#healthOf(sidecarIdOf(this.#registration.id));
    if (fed.status === 404 || sidecar === 404) {
      if (!(await this.#mustStayAway())) await this.#register("forgotten");
      return;
    }
    this.#noteKnown();
    if (this.#maintenance !== undefined) await this.#setMaintenance(true, this.#maintenance);
    else await this.#proveAlias(sidecar);
  }

  #noteKnown(): void {
    this.#knownAtOutage = this.#deps.watches.outages;
    this.#awayUntilMs = undefined;
  }

  /** An agent that was there all the time and does not know us any more was told so by somebody. */
  async #mustStayAway(): Promise<boolean> {
    const { clock, client, watches, onProblem } = this.#deps;
    if (this.#knownAtOutage !== watches.outages) return false;
    if (this.#awayUntilMs === undefined) {
      this.#awayUntilMs = clock.nowMs() + awayMs;
      const { id } = this.#registration;
      const advice = `\`consul maint -enable -service=${id}\` keeps it out`;
      onProblem(`somebody deregistered ${id} at ${client.name}: it comes back in ${awayMs / 1_000} s; ${advice}`);
      // Only one of the two may be gone, and its alias check may not have seen it.
      await this.#takeOut();
    }
    return clock.nowMs() < this.#awayUntilMs;
  }

  async #takeOut(): Promise<void> {
    const { client } = this.#deps;
    const { id } = this.#registration;
    for (const own of [sidecarIdOf(id), id]) {
      const path = `agent/service/deregister/${encodeURIComponent(own)}`;
      const reply = await client.ask({ method: "PUT", path });
      // 404: the agent does not know it, which is what we want.
      if (reply.status !== 200 && reply.status !== 404) throw new ConsulRefused(`${client.name}: ${path}`, reply);
    }
  }

  /**
   * An alias check that is being registered may miss a change of the service and then stays behind for a minute, with
   * an instance that nobody calls: looked at until it has followed once. Measured with Consul 1.21: one of a hundred.
   */
  async #proveAlias(sidecar: number): Promise<void> {
    if (this.#aliasDoubts === undefined || this.#health === "critical") return;
    if ((await this.#healthOf(this.#registration.id)) === sidecar) this.#aliasDoubts = undefined;
    else if (++this.#aliasDoubts > 1) await this.#register("alias");
  }

  /** As a status code: 200 passing, 429 warning, 503 critical, 404 unknown. */
  async #healthOf(serviceId: string): Promise<number> {
    const path = `agent/health/service/id/${encodeURIComponent(serviceId)}`;
    return (await this.#deps.client.ask({ path })).status;
  }

  /** An agent that is away is no failure of the caller: the next heartbeats bring it what is wanted. */
  async #tellOrRetry(): Promise<void> {
    try {
      await this.#tell();
      this.#isFailing = false;
      const isInDoubt =
        this.#aliasDoubts !== undefined && this.#health !== "critical" && this.#maintenance === undefined;
      this.#scheduleHeartbeat(isInDoubt && this.#awayUntilMs === undefined ? aliasLookMs : heartbeatMs);
    } catch (error) {
      this.#scheduleHeartbeat(retryMs);
      if (error instanceof ConsulUnreachable) this.#knownAtOutage = undefined;
      if (!(error instanceof ConsulUnreachable || error instanceof ConsulRefused)) throw error;
      if (!this.#isFailing) this.#deps.onProblem(`health of ${this.#registration.id} not told: ${error.message}`);
      this.#isFailing = true;
    }
  }

  #scheduleHeartbeat(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#isGone) return;
    this.#timer = this.#deps.clock.after(delayMs, () => {
      void this.#enqueue(() => this.#tellOrRetry()).catch((error: unknown) => this.#deps.onProblem(String(error)));
    });
  }

  /** Woken when the registration goes away: within milliseconds instead of at the next heartbeat. */
  #watchOwn(): void {
    const { watches } = this.#deps;
    const path = `agent/service/${encodeURIComponent(this.#registration.id)}`;
    const onPresence = (isThere: boolean) => {
      if (!isThere && !this.#isGone) this.#scheduleHeartbeat(0);
    };
    watches.watch({ path, by: "hash", parse: (body) => body !== undefined }, onPresence, this.#abort.signal);
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(task);
    this.#queue = done.catch(() => {});
    return done;
  }
}

/** The reason that a drain gives (registrar.ts). */
const ownReason = "draining";
