// Descriptors from a file instead of by reflection: complete from the first call, the same for all versions, and nobody
// is asked. For applications without reflection, and where nothing should depend on what a server says about itself.

import type { DescriptorSource } from "./descriptor-source.ts";
import { summariseFile } from "./file-summary.ts";
import { methodTraits, publicServices } from "./method-traits.ts";

/** `files`: as readDescriptorImage gives them. Throws when one is not a FileDescriptorProto. */
export function imageDescriptors(files: readonly Uint8Array[]): DescriptorSource {
  const summaries = files.map(summariseFile);
  const methods = methodTraits(summaries);
  const names = summaries.flatMap(({ services }) => services.map(({ name }) => name));
  const known = [{ service: "", version: "", grpcServices: publicServices(names), methods, files }];
  return { methodsOf: () => methods, onMethods: () => {}, known: () => known, close: () => {} };
}
