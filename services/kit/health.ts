// grpc.health.v1 for a process: Check, Watch, List. The state is computed by a function of the service's own (does the
// log take appends, does the model open), asked every second, and pushed to watchers when it changes; it is the same
// for the whole process, so every served name and the empty one have it. Started and drained by serve.ts.
// (https://github.com/grpc/grpc/blob/master/doc/health-checking.md)

import { create } from "@bufbuild/protobuf";
import type { Clock, Timer } from "../../common/clock.ts";
import type { JsonLog } from "../../common/json-log.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
  HealthListResponseSchema,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { type HandlerContext, implement, type ServedService } from "./handler.ts";
import { refuse } from "./refusal.ts";

export interface HealthAnswer {
  readonly ok: boolean;
  /** Why not, for the log. */
  readonly detail: string;
}

/** Whether the service can do its work now. A throw counts as no. */
export type HealthProbe = () => Promise<HealthAnswer>;

const pollMs = 1000;
/** A probe that hangs must not leave the last good answer standing. */
const probeTimeoutMs = 2000;

export class HealthState {
  readonly #probe: HealthProbe;
  readonly #clock: Clock;
  readonly #log: JsonLog;
  #isServing = false;
  #detail = "not asked yet";
  #isDraining = false;
  #timer: Timer | undefined;
  #waiting = new Set<() => void>();

  constructor(probe: HealthProbe, clock: Clock, log: JsonLog) {
    this.#probe = probe;
    this.#clock = clock;
    this.#log = log;
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  /** Asks the probe, and goes on asking every second until `drain`. Resolves after the first answer. */
  async start(): Promise<void> {
    const { ok, detail } = await this.#ask();
    if (this.#isDraining) return;
    this.#set(ok, detail);
    this.#timer = this.#clock.after(pollMs, () => void this.start());
  }

  /** NOT_SERVING from now on, whatever the probe says. */
  drain(): void {
    this.#isDraining = true;
    this.#timer?.cancel();
    this.#set(false, "draining");
  }

  /** Resolves at the next change, or when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        this.#waiting.delete(done);
        resolve();
      };
      if (signal.aborted) resolve();
      else {
        this.#waiting.add(done);
        signal.addEventListener("abort", done);
      }
    });
  }

  async #ask(): Promise<HealthAnswer> {
    let timer: Timer | undefined;
    const late = new Promise<HealthAnswer>((resolve) => {
      timer = this.#clock.after(probeTimeoutMs, () =>
        resolve({ ok: false, detail: `no answer within ${probeTimeoutMs} ms` }),
      );
    });
    try {
      return await Promise.race([this.#probe(), late]);
    } catch (error) {
      return { ok: false, detail: error instanceof Error ? error.message : String(error) };
    } finally {
      timer?.cancel();
    }
  }

  #set(isServing: boolean, detail: string): void {
    if (isServing !== this.#isServing || (!isServing && detail !== this.#detail)) {
      this.#log.info(isServing ? "serving" : "not serving", { detail });
    }
    this.#detail = detail;
    if (isServing === this.#isServing) return;
    this.#isServing = isServing;
    for (const done of [...this.#waiting]) done();
  }
}

/** The health service over `state`, for `names` and the empty name. */
export function healthService(state: HealthState, names: readonly string[]): ServedService {
  const known = new Set(["", Health.typeName, ...names]);
  const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;
  const answer = (name: string) => {
    const served = state.isServing ? SERVING : NOT_SERVING;
    return create(HealthCheckResponseSchema, { status: known.has(name) ? served : SERVICE_UNKNOWN });
  };
  return implement(Health, {
    check: ({ service }) => (known.has(service) ? answer(service) : refuse("not-found", `no service ${service} here`)),
    list: () => {
      const statuses = Object.fromEntries([...known].map((name) => [name, answer(name)]));
      return create(HealthListResponseSchema, { statuses });
    },
    async *watch({ service }: { service: string }, context: HandlerContext) {
      let last: number | undefined;
      const ended = AbortSignal.any([context.signal, context.draining]);
      for (;;) {
        const now = answer(service);
        if (now.status !== last) {
          last = now.status;
          yield now;
        } else if (context.draining.aborted) {
          return refuse("unavailable", "the process is draining");
        } else {
          await state.changed(ended);
          if (context.signal.aborted) return undefined;
        }
      }
    },
  });
}
