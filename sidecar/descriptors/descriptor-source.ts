// What the rest of the sidecar asks of descriptors, be they learned by reflection (descriptor-cache.ts) or read from a
// file (image-descriptors.ts).

import type { Endpoint } from "../discovery/registry.ts";
import type { MethodTable } from "./method-traits.ts";

/** What is known of one version of one service. */
export interface KnownDescriptors {
  /** As in the registry; empty: of any service (an image says nothing about instances). */
  readonly service: string;
  readonly version: string;
  /** Full names of its gRPC services. */
  readonly grpcServices: readonly string[];
  readonly methods: MethodTable;
  /** FileDescriptorProtos as bytes; empty where they are not kept. */
  readonly files: readonly Uint8Array[];
}

export interface DescriptorSource {
  /** What is known now of these instances' methods. May begin to learn what is missing. */
  methodsOf(endpoints: readonly Endpoint[]): MethodTable;
  /** Calls `listener` with a service's name whenever there is more to know of it. */
  onMethods(listener: (service: string) => void): void;
  /** Everything known, the newest version of a service first. */
  known(): readonly KnownDescriptors[];
  close(): void;
}
