// Asks one server by reflection for its services and the files that define them: v1 first, then v1alpha, which older
// servers have. Used for upstreams (through their sidecars) and, once, for the application beside this sidecar. Every
// answer is bounded: the server is somebody else's program.

import type { Clock } from "../../common/clock.ts";
import { Status } from "../grpc/status.ts";
import { StatusError } from "../grpc/status-error.ts";
import type { RequestSender } from "../http2/request-sender.ts";
import { type FileSummary, summariseFile } from "./file-summary.ts";
import { publicServices } from "./method-traits.ts";
import { ReflectionStream, type ReflectionTarget } from "./reflection-stream.ts";

export interface Reflected {
  /** Full names of the services that others may call, sorted (see publicServices). */
  readonly services: readonly string[];
  /** Their files with everything these import; each file once. */
  readonly files: readonly Uint8Array[];
  readonly summaries: readonly FileSummary[];
}

export interface ReflectDeps {
  readonly sender: RequestSender;
  readonly clock: Clock;
}

/** For the whole conversation. */
const timeoutMs = 5_000;
const maxServices = 500;
const maxFiles = 2_000;
const maxBytes = 8 << 20;

/** Rejects with a StatusError UNIMPLEMENTED when the server has no reflection, else with what went wrong. */
export async function reflect(deps: ReflectDeps, target: ReflectionTarget): Promise<Reflected> {
  try {
    return await reflectWith(deps, target, "v1");
  } catch (error) {
    if (!(error instanceof StatusError) || error.status !== Status.UNIMPLEMENTED) throw error;
    return await reflectWith(deps, target, "v1alpha");
  }
}

async function reflectWith(deps: ReflectDeps, target: ReflectionTarget, version: "v1" | "v1alpha"): Promise<Reflected> {
  const stream = new ReflectionStream(deps.sender, target, version);
  const timer = deps.clock.after(timeoutMs, () =>
    stream.close(new StatusError(Status.DEADLINE_EXCEEDED, `no reflection within ${timeoutMs} ms`)),
  );
  try {
    const listed = await stream.ask({ kind: "list_services" });
    if (listed.kind === "error") throw new StatusError(listed.status as Status, listed.message);
    if (listed.kind !== "services") throw new StatusError(Status.INTERNAL, "the answer to list_services is no list");
    const services = publicServices(listed.names).slice(0, maxServices);
    const files = new CollectedFiles();
    for (const symbol of services) {
      if (files.defines(symbol)) continue;
      const answer = await stream.ask({ kind: "file_containing_symbol", symbol });
      if (answer.kind === "files") files.add(answer.files);
    }
    for (let name = files.missing(); name !== undefined; name = files.missing()) {
      const answer = await stream.ask({ kind: "file_by_filename", name });
      files.asked(name);
      if (answer.kind === "files") files.add(answer.files);
    }
    return { services, files: files.bytes(), summaries: files.summaries() };
  } finally {
    timer.cancel();
    stream.close(new StatusError(Status.CANCELLED, "the reflection is over"));
  }
}

/** Files by name, and which of their imports have not come. */
class CollectedFiles {
  readonly #files = new Map<string, { readonly bytes: Uint8Array; readonly summary: FileSummary }>();
  readonly #asked = new Set<string>();
  #totalBytes = 0;

  add(files: readonly Uint8Array[]): void {
    for (const bytes of files) {
      const summary = summariseFile(bytes);
      if (this.#files.has(summary.name)) continue;
      this.#totalBytes += bytes.length;
      if (this.#files.size >= maxFiles || this.#totalBytes > maxBytes) {
        const limit = `${maxFiles} files and ${maxBytes} bytes`;
        throw new StatusError(Status.RESOURCE_EXHAUSTED, `the server's descriptors are more than ${limit}`);
      }
      this.#files.set(summary.name, { bytes, summary });
    }
  }

  defines(service: string): boolean {
    return this.summaries().some(({ services }) => services.some(({ name }) => name === service));
  }

  /** An import that has not come and was not asked for yet. */
  missing(): string | undefined {
    for (const { summary } of this.#files.values()) {
      const name = summary.dependencies.find((one) => !this.#files.has(one) && !this.#asked.has(one));
      if (name !== undefined) return name;
    }
    return undefined;
  }

  asked(name: string): void {
    this.#asked.add(name);
  }

  bytes(): readonly Uint8Array[] {
    // Copies: an answer's buffer would otherwise stay alive for the smallest file in it.
    return [...this.#files.values()].map(({ bytes }) => Uint8Array.from(bytes));
  }

  summaries(): readonly FileSummary[] {
    return [...this.#files.values()].map(({ summary }) => summary);
  }
}
