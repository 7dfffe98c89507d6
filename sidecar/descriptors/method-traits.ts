// From compiled .proto files to what the data part asks: is this method's path known, does it stream, may it be sent
// twice. Pure. Unknown methods are simply absent, and absent means not idempotent.

import type { MethodTraits } from "../routing/snapshot.ts";
import type { FileSummary } from "./file-summary.ts";

export type MethodTable = Readonly<Record<string, MethodTraits>>;

/** By path, as `/quoter.query.v1.QuoteQueryService/GetQuote`. */
export function methodTraits(files: readonly FileSummary[]): MethodTable {
  const table: Record<string, MethodTraits> = {};
  for (const { services } of files) {
    for (const service of services) {
      for (const method of service.methods) table[`/${service.name}/${method.name}`] = method.traits;
    }
  }
  return table;
}

/**
 * One table for versions that serve side by side, any of which may get a call: idempotent only where all that know the
 * method say so, and left out where they do not agree on its kind.
 */
export function mergeMethodTables(tables: readonly MethodTable[]): MethodTable {
  if (tables.length === 1) return tables[0]!;
  const merged: Record<string, MethodTraits> = {};
  const disputed = new Set<string>();
  for (const table of tables) {
    for (const [path, traits] of Object.entries(table)) {
      const other = merged[path];
      if (other === undefined) merged[path] = traits;
      else if (other.kind !== traits.kind) disputed.add(path);
      else if (other.idempotent && !traits.idempotent) merged[path] = traits;
    }
  }
  for (const path of disputed) delete merged[path];
  return merged;
}

/**
 * An application's own services, without gRPC's infrastructure (health, reflection, channelz). What Ferry itself asks
 * of applications (`ferry.*`) is among them: `ferry status` finds a read model by it, and no gateway routes it.
 */
export function publicServices(services: readonly string[]): readonly string[] {
  return services.filter((name) => !name.startsWith("grpc.")).sort();
}
