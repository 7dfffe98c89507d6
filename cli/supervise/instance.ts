// An application with its sidecar: the unit that `ferry run` starts once and `ferry up` five times. The sidecar starts
// first, so that the way out is there before the application needs it; it takes calls in as soon as the application is
// healthy. At the end it leaves the rotation and drains while the application still answers, and goes last.

import type { Random } from "../../common/random.ts";
import { type Address, formatAddress } from "../../common/settings.ts";
import type { ChildDeps, ChildExit, ChildSpec, ReadyLine } from "./child.ts";
import { freePort } from "./free-port.ts";
import { logFileOf, removeInstanceProcesses, writeInstanceProcesses } from "./home.ts";
import { sidecarEnv, sidecarProgram } from "./programs.ts";
import { Supervised } from "./supervised.ts";

export interface InstanceSpec {
  readonly id: string;
  readonly service: string;
  readonly version: string;
  readonly home: string;
  readonly meshConfig: string;
  /** Where the application listens; port 0: a free one is chosen. */
  readonly app: Address;
  /** Upstreams as `quote-query:9191` or `quote-query`. */
  readonly upstreams: readonly string[];
  /** Full gRPC service names; empty: the sidecar asks the application by reflection. */
  readonly grpcServices: readonly string[];
  /** The environment that all processes get. */
  readonly env: NodeJS.ProcessEnv;
  /** Further settings of the sidecar, as FERRY_INBOUND. */
  readonly sidecarSettings: Readonly<Record<string, string>>;
  /** An application that ends is started again; false: its end is the instance's end. */
  readonly mayRestartApp: boolean;
  /** The application's process; `surroundings` is where it listens and where it finds its upstreams. */
  readonly appProgram: (surroundings: AppSurroundings) => Omit<ChildSpec, "name">;
}

export interface AppSurroundings {
  /** `host:port` it must listen on. */
  readonly listen: string;
  /** `host:port` of the sidecar's outbound listener. */
  readonly outbound: string;
  /** By upstream name: `host:port` of its own listener. */
  readonly upstreams: Readonly<Record<string, string>>;
}

export interface InstanceDeps extends ChildDeps {
  readonly random: Random;
  readonly onTrouble: (sentence: string) => void;
  /** Told whenever one of the two processes was started. */
  readonly onStart: (process: StartedProcess) => void;
}

export interface StartedProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string | undefined;
  /** For people: where it listens. */
  readonly where: string;
}

/** The sidecar's addresses, from its ready line. */
export interface SidecarAddresses {
  readonly inbound: string;
  readonly outbound: string;
  readonly admin: string;
  readonly upstreams: Readonly<Record<string, string>>;
}

export class Instance {
  readonly spec: InstanceSpec;
  readonly #deps: InstanceDeps;
  readonly #sidecar: Supervised;
  readonly #app: Supervised;
  #listen: Address;
  #addresses: SidecarAddresses | undefined;

  constructor(spec: InstanceSpec, deps: InstanceDeps) {
    this.spec = spec;
    this.#deps = deps;
    this.#listen = spec.app;
    this.#sidecar = this.#supervise(true, (last) => this.#sidecarSpec(last));
    this.#app = this.#supervise(spec.mayRestartApp, () => this.#appSpec());
  }

  /** Starts both; rejects with a CommandError when one does not start: stop it then. */
  async start(): Promise<void> {
    const { host, port } = this.spec.app;
    if (port === 0) this.#listen = { host, port: await freePort(host, this.#deps.random) };
    await this.#sidecar.start();
    await this.#app.start();
  }

  /** Where the application listens, or will listen. */
  get listen(): string {
    return formatAddress(this.#listen);
  }

  get addresses(): SidecarAddresses {
    if (this.#addresses === undefined) throw new Error(`${this.spec.id}: the sidecar has not been ready yet`);
    return this.#addresses;
  }

  /** Resolves when the application's present process ends, by itself or not. */
  get appExited(): Promise<ChildExit> {
    return this.#app.child?.exited ?? Promise.resolve({ code: 0, signal: null });
  }

  get appPid(): number {
    return this.#app.child?.pid ?? 0;
  }

  get sidecarPid(): number {
    return this.#sidecar.child?.pid ?? 0;
  }

  /**
   * The way in, then the application, then the way out, which the application may need to the end; each gets its time
   * before SIGKILL. Returns how the application ended.
   */
  async stop(grace: { sidecarMs: number; appMs: number }): Promise<ChildExit | undefined> {
    await this.#sidecar.drain(grace.sidecarMs);
    const exit = await this.#app.stop(grace.appMs);
    await this.#sidecar.stop(grace.sidecarMs);
    removeInstanceProcesses(this.spec.home, this.spec.id);
    return exit;
  }

  /** SIGKILL to both, now. */
  kill(): void {
    this.#sidecar.kill();
    this.#app.kill();
  }

  #supervise(mayRestart: boolean, spec: (last: ReadyLine | undefined) => ChildSpec): Supervised {
    const { onTrouble } = this.#deps;
    return new Supervised(
      {
        spec,
        mayRestart,
        onTrouble,
        onStart: (child, ready) => {
          const isSidecar = child.spec.name === `${this.spec.id}-sidecar`;
          if (isSidecar) this.#addresses = readSidecarAddresses(ready);
          const { id, service, home } = this.spec;
          writeInstanceProcesses(home, { id, service, appPid: this.appPid, sidecarPid: this.sidecarPid });
          const where = `listens on ${isSidecar ? this.addresses.inbound : this.listen}`;
          this.#deps.onStart({ name: child.spec.name, pid: child.pid, logFile: child.spec.logFile, where });
        },
      },
      this.#deps,
    );
  }

  #appSpec(): ChildSpec {
    const { outbound, upstreams } = this.addresses;
    const surroundings = { listen: this.listen, outbound, upstreams };
    return { name: this.spec.id, ...this.spec.appProgram(surroundings) };
  }

  /** A restarted sidecar keeps the addresses that the application was told. */
  #sidecarSpec(last: ReadyLine | undefined): ChildSpec {
    const { spec } = this;
    const name = `${spec.id}-sidecar`;
    const before = last === undefined ? undefined : readSidecarAddresses(last);
    const upstreams = spec.upstreams.map((upstream) => keepPort(upstream, before?.upstreams));
    return {
      ...sidecarProgram,
      name,
      logFile: logFileOf(spec.home, name),
      env: {
        ...sidecarEnv(spec),
        FERRY_ROLE: "sidecar",
        FERRY_SERVICE: spec.service,
        FERRY_INSTANCE: spec.id,
        FERRY_VERSION: spec.version,
        FERRY_APP: this.listen,
        ...(upstreams.length > 0 && { FERRY_UPSTREAMS: upstreams.join(",") }),
        ...(spec.grpcServices.length > 0 && { FERRY_GRPC_SERVICES: spec.grpcServices.join(",") }),
        ...spec.sidecarSettings,
        ...(before !== undefined && { FERRY_OUTBOUND: before.outbound }),
      },
    };
  }
}

/** `quote-query` as `quote-query:40123` when that was its port before. */
function keepPort(upstream: string, before: Readonly<Record<string, string>> | undefined): string {
  const name = upstream.split(":")[0] ?? upstream;
  const port = before?.[name]?.split(":").at(-1);
  return port === undefined ? upstream : `${name}:${port}`;
}

function readSidecarAddresses(ready: ReadyLine): SidecarAddresses {
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  const upstreams = typeof ready.upstreams === "object" && ready.upstreams !== null ? ready.upstreams : {};
  return {
    inbound: text(ready.inbound),
    outbound: text(ready.outbound),
    admin: text(ready.admin),
    upstreams: Object.fromEntries(Object.entries(upstreams).map(([name, address]) => [name, text(address)])),
  };
}
