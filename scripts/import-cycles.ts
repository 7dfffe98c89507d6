// Finds cycles in a directed graph of files: each strongly connected component with more than one file, or with a file
// that imports itself. Pure. Called by check-imports.ts.

/** One list per component: its files from the first to the last of a round trip, sorted by discovery. */
export function findCycles(edges: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const search: Search = { edges, order: new Map(), low: new Map(), stack: [], cycles: [] };
  for (const node of edges.keys()) if (!search.order.has(node)) visit(search, node);
  return search.cycles;
}

interface Search {
  readonly edges: ReadonlyMap<string, readonly string[]>;
  /** When a node was first seen. */
  readonly order: Map<string, number>;
  /** The earliest node that can be reached from it. */
  readonly low: Map<string, number>;
  readonly stack: string[];
  readonly cycles: string[][];
}

// Tarjan's algorithm; a file that stands on the stack can reach everything above itself.
function visit(search: Search, node: string): void {
  const { order, low, stack } = search;
  order.set(node, order.size);
  low.set(node, order.get(node)!);
  stack.push(node);
  const targets = search.edges.get(node) ?? [];
  for (const target of targets) {
    if (!order.has(target)) {
      visit(search, target);
      low.set(node, Math.min(low.get(node)!, low.get(target)!));
    } else if (stack.includes(target)) {
      low.set(node, Math.min(low.get(node)!, order.get(target)!));
    }
  }
  if (low.get(node) !== order.get(node)) return;
  const component = stack.splice(stack.indexOf(node));
  if (component.length > 1 || targets.includes(node)) search.cycles.push([...component, node]);
}
