// Second half of local-compiler.ts: a splitter whose leg leads to another splitter takes over that one's legs, with
// weights multiplied and header changes merged (the inner leg wins), so that a call meets at most one splitter. Nodes
// that nothing leads to any more are dropped.

import type { ChainNode, ChainSplit, HeaderChange, SplitterNode } from "./discovery-chain.ts";

/** Circles of splitters are refused by check-entries.ts; here a leg that comes back to itself is dropped. */
export function flattenSplitters(
  nodes: Readonly<Record<string, ChainNode>>,
  start: string,
): Readonly<Record<string, ChainNode>> {
  const flat: Record<string, ChainNode> = {};
  for (const [key, node] of Object.entries(nodes)) {
    flat[key] = node.Type === "splitter" ? { ...node, Splits: legsOf(nodes, key, node) } : node;
  }
  const used: Record<string, ChainNode> = {};
  const todo = [start];
  for (let key = todo.pop(); key !== undefined; key = todo.pop()) {
    const node = flat[key];
    if (node === undefined || used[key] !== undefined) continue;
    used[key] = node;
    if (node.Type === "router") todo.push(...node.Routes.map((route) => route.NextNode).reverse());
    if (node.Type === "splitter") todo.push(...node.Splits.map((split) => split.NextNode).reverse());
  }
  return used;
}

function legsOf(
  nodes: Readonly<Record<string, ChainNode>>,
  key: string,
  node: SplitterNode,
  above: readonly string[] = [],
): ChainSplit[] {
  const path = [...above, key];
  return node.Splits.flatMap((split) => {
    const next = nodes[split.NextNode];
    if (next?.Type !== "splitter") return [split];
    if (path.includes(split.NextNode)) return [];
    return legsOf(nodes, split.NextNode, next, path).map((inner) => merged(split, inner));
  });
}

function merged(outer: ChainSplit, inner: ChainSplit): ChainSplit {
  const Weight = Math.round((outer.Weight ?? 0) * (inner.Weight ?? 0)) / 100;
  const RequestHeaders = mergedHeaders(outer.Definition?.RequestHeaders, inner.Definition?.RequestHeaders);
  const ResponseHeaders = mergedHeaders(outer.Definition?.ResponseHeaders, inner.Definition?.ResponseHeaders);
  const Definition = {
    ...inner.Definition,
    ...(RequestHeaders === undefined ? {} : { RequestHeaders }),
    ...(ResponseHeaders === undefined ? {} : { ResponseHeaders }),
  };
  return { Definition, ...(Weight === 0 ? {} : { Weight }), NextNode: inner.NextNode };
}

function mergedHeaders(outer: HeaderChange | undefined, inner: HeaderChange | undefined): HeaderChange | undefined {
  if (outer === undefined || inner === undefined) return inner ?? outer;
  return {
    ...(outer.Add || inner.Add ? { Add: { ...outer.Add, ...inner.Add } } : {}),
    ...(outer.Set || inner.Set ? { Set: { ...outer.Set, ...inner.Set } } : {}),
    ...(outer.Remove || inner.Remove ? { Remove: [...(outer.Remove ?? []), ...(inner.Remove ?? [])] } : {}),
  };
}
