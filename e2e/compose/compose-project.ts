// One compose project made from compose.yaml, by the `docker compose` on PATH. Used by compose.ts and play-compose.ts.

import { runToEnd } from "../testing/ferry.ts";

export interface ComposeRun {
  readonly seconds: number;
  readonly stdout: string;
}

/** How far a container is shut off, as the engine sees it. */
export interface ContainerBounds {
  readonly name: string;
  readonly isReadOnly: boolean;
  /** As `127.0.0.1:8080`. */
  readonly published: readonly string[];
}

/** What `docker inspect` says of a container that is read here. */
interface Inspected {
  readonly Name: string;
  readonly HostConfig: {
    readonly ReadonlyRootfs: boolean;
    readonly PortBindings: Readonly<Record<string, readonly { HostIp: string; HostPort: string }[] | null>> | null;
  };
}

export class ComposeProject {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** Runs `docker compose <words>`; rejects with what it said when it fails. */
  async run(...words: readonly string[]): Promise<ComposeRun> {
    const startMs = performance.now();
    const { code, stdout, stderr } = await runToEnd("docker", ["compose", "-p", this.#name, ...words]).catch(
      (error: unknown) => {
        throw new Error(`docker cannot be run (${String(error)}); install Docker with its compose plugin`);
      },
    );
    const seconds = Math.round((performance.now() - startMs) / 100) / 10;
    if (code === 0) return { seconds, stdout };
    const complaints = stderr.trim().split("\n").slice(-5).join("; ");
    throw new Error(`docker compose ${words.join(" ")} ended with ${code}: ${complaints}`);
  }

  /** The containers that run, by the service's name, as `running healthy`. */
  async states(): Promise<ReadonlyMap<string, string>> {
    const { stdout } = await this.run("ps", "--format", "{{.Service}} {{.State}} {{.Health}}");
    const lines = stdout.split("\n").filter((line) => line.trim() !== "");
    return new Map(lines.map((line) => [line.split(" ")[0] ?? "", line.split(" ").slice(1).join(" ").trim()]));
  }

  /** Of every container that runs. */
  async bounds(): Promise<readonly ContainerBounds[]> {
    const { stdout: ids } = await this.run("ps", "-q");
    const { stdout } = await runToEnd("docker", ["inspect", ...ids.trim().split("\n")]);
    return (JSON.parse(stdout) as Inspected[]).map(({ Name, HostConfig: { ReadonlyRootfs, PortBindings } }) => {
      const bindings = Object.values(PortBindings ?? {}).flatMap((bound) => bound ?? []);
      const published = bindings.map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}`);
      return { name: Name.replace(/^\//, ""), isReadOnly: ReadonlyRootfs, published };
    });
  }

  /** Everything, with its volumes. Never rejects. */
  async remove(): Promise<void> {
    await this.run("down", "--volumes", "--timeout", "10").catch((error: unknown) => console.error(String(error)));
  }
}
