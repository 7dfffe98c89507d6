// Keeps the registry's picture of our application true: registers it once it is healthy for the first time, follows its
// health from then on, and takes it out in two steps at a drain. The registry may be slow or away: changes are applied
// in order, the newest wanted health wins, and a failure is tried again with the next change or the next second.

import type { Clock, Timer } from "../common/clock.ts";
import type { Registration, RegistrationHandle, Registry } from "./discovery/registry.ts";

/** The application's health as the sidecar's own checks see it. */
export type AppHealth = "unknown" | "passing" | "critical";

export interface RegistrarDeps {
  readonly registry: Registry;
  readonly registration: Registration;
  readonly clock: Clock;
  /** The full names of the application's gRPC services, asked once before it is registered; may fail. */
  learnServices(): Promise<readonly string[]>;
  /** One sentence for the log. */
  onTrouble(sentence: string): void;
}

const retryMs = 1_000;

export class Registrar {
  readonly #deps: RegistrarDeps;
  #handle: RegistrationHandle | undefined = undefined;
  #wanted: { readonly health: AppHealth; readonly note: string } = { health: "unknown", note: "not checked yet" };
  #isLeaving = false;
  #queue: Promise<void> = Promise.resolve();
  #retry: Timer | undefined = undefined;
  #isRegistered = false;

  constructor(deps: RegistrarDeps) {
    this.#deps = deps;
  }

  get health(): AppHealth {
    return this.#wanted.health;
  }

  /** Why the application is not passing; empty when it is. */
  get note(): string {
    return this.#wanted.health === "passing" ? "" : this.#wanted.note;
  }

  /** The instance is in the registry and in rotation. */
  get isInRotation(): boolean {
    return this.#isRegistered && this.#wanted.health === "passing" && !this.#isLeaving;
  }

  setHealth(health: AppHealth, note: string): void {
    this.#wanted = { health, note };
    this.#enqueue();
  }

  /** First step of a drain: nobody is sent here any more, operators still see us. */
  async leaveRotation(): Promise<void> {
    this.#isLeaving = true;
    this.#retry?.cancel();
    await this.#queue;
    await this.#handle?.enterMaintenance("draining").catch((error: unknown) => this.#trouble("leave rotation", error));
  }

  /** Last step. Idempotent. */
  async deregister(): Promise<void> {
    await this.#handle?.deregister().catch((error: unknown) => this.#trouble("deregister", error));
    this.#handle = undefined;
  }

  #enqueue(): void {
    this.#queue = this.#queue.then(() => this.#apply()).catch((error: unknown) => this.#failed(error));
  }

  async #apply(): Promise<void> {
    const { health, note } = this.#wanted;
    if (this.#isLeaving || health === "unknown") return;
    if (this.#handle === undefined) {
      // An application that was never healthy has never been asked for its services: nothing to register yet.
      if (health !== "passing") return;
      this.#handle = await this.#register();
    }
    await this.#handle.setHealth(health, note);
    this.#isRegistered = true;
  }

  async #register(): Promise<RegistrationHandle> {
    const { registry, registration } = this.#deps;
    const services = await this.#deps.learnServices().catch((error: unknown) => {
      this.#trouble("ask the application for its services", error);
      return [];
    });
    const meta = { ...registration.meta, ...(services.length > 0 && { ferry_grpc_services: services.join(",") }) };
    return registry.register({ ...registration, meta });
  }

  #failed(error: unknown): void {
    this.#trouble("register", error);
    this.#retry?.cancel();
    this.#retry = this.#deps.clock.after(retryMs, () => this.#enqueue());
  }

  #trouble(action: string, error: unknown): void {
    this.#deps.onTrouble(`could not ${action}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
