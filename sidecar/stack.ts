// The joints of the two stacks. A layer is a function that is built once and called for every call; `stack` puts
// layers together, outermost first, so that the list reads as a call travels. Its type checks each joint: a layer in
// the wrong place does not compile.
//
// A layer that only looks at the head returns `next(call)`; what else it may return is in pending-reply.ts. Generic
// layers would blind the check: type each layer to its stage.

import type { PendingReply } from "./pending-reply.ts";

export type Service<C> = (call: C) => PendingReply;
export type Layer<In, Out = In> = (next: Service<Out>) => Service<In>;

type AnyLayer = Layer<never, unknown>;

/** The parts as they must be: each takes what the one before it hands on. */
type Joined<Parts, Expected = never> = Parts extends readonly [Layer<infer In, infer Out>, ...infer Rest]
  ? readonly [[Expected] extends [In] ? Parts[0] : Layer<Expected, Out>, ...Joined<Rest, Out>]
  : readonly [Service<Expected>];

type First<Parts> = Parts extends readonly [Layer<infer In, unknown>, ...unknown[]] ? In : never;

/** At least one layer, and the service that ends the list. */
export function stack<Parts extends readonly [AnyLayer, ...AnyLayer[], Service<never>]>(
  ...parts: Parts & Joined<Parts>
): Service<First<Parts>>;
export function stack(...parts: unknown[]): unknown {
  const layers = parts.slice(0, -1) as Layer<never, never>[];
  return layers.reduceRight((next, layer) => layer(next as Service<never>), parts.at(-1) as Service<never>);
}
