// One registration of ours at the agent: written, kept alive and true, taken out in two steps. Made by ConsulRegistry.
//
// What is wanted stands here; the agent is told at every change and in every heartbeat, so that an agent that was away
// hears it again, and one that forgot us (restarted without its data) gets the whole registration anew.

import type { Clock, Timer } from "../../../common/clock.ts";
import type { Registration, RegistrationHandle } from "../registry.ts";
import { checkIdOf, type Health, registrationBody, sidecarBody, sidecarIdOf, ttlSeconds } from "./catalog-entry.ts";
import { type ConsulClient, ConsulRefused, type ConsulReply, ConsulUnreachable } from "./consul-client.ts";
import type { ConsulWatches } from "./consul-watches.ts";

export interface ConsulInstanceDeps {
  readonly client: ConsulClient;
  readonly watches: ConsulWatches;
  readonly clock: Clock;
  readonly onProblem: (sentence: string) => void;
}

const heartbeatMs = (ttlSeconds * 1_000) / 3;
/** While the agent is away or did not take it. */
const retryMs = 500;

export class ConsulInstance implements RegistrationHandle {
  readonly #registration: Registration;
  readonly #deps: ConsulInstanceDeps;
  readonly #abort = new AbortController();
  #health: Health = "critical";
  #note = "no health check has passed yet";
  #maintenance: string | undefined;
  #isGone = false;
  #isFailing = false;
  #queue: Promise<unknown> = Promise.resolve();
  #timer: Timer | undefined;

  constructor(registration: Registration, deps: ConsulInstanceDeps) {
    this.#registration = registration;
    this.#deps = deps;
  }

  /** Registers it; rejects when the agent does not take it. */
  async begin(): Promise<void> {
    await this.#enqueue(() => this.#register(true));
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
      for (const own of [sidecarIdOf(id), id]) {
        const path = `agent/service/deregister/${encodeURIComponent(own)}`;
        const reply = await client.ask({ method: "PUT", path });
        // 404: the agent does not know it, which is what we want.
        if (reply.status !== 200 && reply.status !== 404) throw new ConsulRefused(`${client.name}: ${path}`, reply);
      }
    });
  }

  /** Ends the heartbeats; the registration stays. */
  close(): void {
    this.#isGone = true;
    this.#timer?.cancel();
    this.#abort.abort();
  }

  async #register(isFirst: boolean): Promise<void> {
    const { client } = this.#deps;
    const { id } = this.#registration;
    // A life before this one under the same id may have ended in its drain; what an operator put there stays.
    if (isFirst) await this.#endOwnMaintenance();
    // The instance last: what feeds its check then knows that both are there.
    const state = { health: this.#health, note: this.#note };
    for (const body of [sidecarBody(this.#registration), registrationBody(this.#registration, state)]) {
      const query = { "replace-existing-checks": "true" };
      await client.expectOk({ method: "PUT", path: "agent/service/register", query, body });
    }
    if (this.#maintenance !== undefined) await this.#setMaintenance(true, this.#maintenance);
    else if (!isFirst) this.#deps.onProblem(`${client.name} had forgotten ${id}; it is registered again`);
    await this.#feed();
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
    if (fed.status === 404) await this.#register(false);
    else if (fed.status !== 200) throw new ConsulRefused(`${client.name}: health of ${this.#registration.id}`, fed);
    else if (this.#maintenance !== undefined) await this.#setMaintenance(true, this.#maintenance);
  }

  /** An agent that is away is no failure of the caller: the next heartbeats bring it what is wanted. */
  async #tellOrRetry(): Promise<void> {
    try {
      await this.#tell();
      this.#isFailing = false;
      this.#scheduleHeartbeat(heartbeatMs);
    } catch (error) {
      this.#scheduleHeartbeat(retryMs);
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
