// The joints of the two stacks. A layer is a function that is built once and called for every call; `stack` puts
// layers together, outermost first, so that the list reads as a call travels. The overloads check each joint: a layer
// in the wrong place does not compile.
//
// A layer that only looks at the head returns `next(call)`; `async` costs half a microsecond and is for layers that
// must wait. Generic layers would blind the check: type each layer to its stage.

import type { Reply } from "./call.ts";

export type Service<C> = (call: C) => Promise<Reply>;
export type Layer<In, Out = In> = (next: Service<Out>) => Service<In>;

export function stack<A, B, C>(l1: Layer<A, B>, l2: Layer<B, C>, last: Service<C>): Service<A>;
export function stack<A, B, C, D>(l1: Layer<A, B>, l2: Layer<B, C>, l3: Layer<C, D>, last: Service<D>): Service<A>;
export function stack<A, B, C, D, E>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  last: Service<E>,
): Service<A>;
export function stack<A, B, C, D, E, F>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  l5: Layer<E, F>,
  last: Service<F>,
): Service<A>;
export function stack<A, B, C, D, E, F, G>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  l5: Layer<E, F>,
  l6: Layer<F, G>,
  last: Service<G>,
): Service<A>;
export function stack<A, B, C, D, E, F, G, H>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  l5: Layer<E, F>,
  l6: Layer<F, G>,
  l7: Layer<G, H>,
  last: Service<H>,
): Service<A>;
export function stack<A, B, C, D, E, F, G, H, I>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  l5: Layer<E, F>,
  l6: Layer<F, G>,
  l7: Layer<G, H>,
  l8: Layer<H, I>,
  last: Service<I>,
): Service<A>;
export function stack<A, B, C, D, E, F, G, H, I, J>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  l5: Layer<E, F>,
  l6: Layer<F, G>,
  l7: Layer<G, H>,
  l8: Layer<H, I>,
  l9: Layer<I, J>,
  last: Service<J>,
): Service<A>;
export function stack<A, B, C, D, E, F, G, H, I, J, K>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  l5: Layer<E, F>,
  l6: Layer<F, G>,
  l7: Layer<G, H>,
  l8: Layer<H, I>,
  l9: Layer<I, J>,
  l10: Layer<J, K>,
  last: Service<K>,
): Service<A>;
export function stack<A, B, C, D, E, F, G, H, I, J, K, L>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  l5: Layer<E, F>,
  l6: Layer<F, G>,
  l7: Layer<G, H>,
  l8: Layer<H, I>,
  l9: Layer<I, J>,
  l10: Layer<J, K>,
  l11: Layer<K, L>,
  last: Service<L>,
): Service<A>;
export function stack<A, B, C, D, E, F, G, H, I, J, K, L, M>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  l5: Layer<E, F>,
  l6: Layer<F, G>,
  l7: Layer<G, H>,
  l8: Layer<H, I>,
  l9: Layer<I, J>,
  l10: Layer<J, K>,
  l11: Layer<K, L>,
  l12: Layer<L, M>,
  last: Service<M>,
): Service<A>;
export function stack<A, B, C, D, E, F, G, H, I, J, K, L, M, N>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  l5: Layer<E, F>,
  l6: Layer<F, G>,
  l7: Layer<G, H>,
  l8: Layer<H, I>,
  l9: Layer<I, J>,
  l10: Layer<J, K>,
  l11: Layer<K, L>,
  l12: Layer<L, M>,
  l13: Layer<M, N>,
  last: Service<N>,
): Service<A>;
export function stack<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  l5: Layer<E, F>,
  l6: Layer<F, G>,
  l7: Layer<G, H>,
  l8: Layer<H, I>,
  l9: Layer<I, J>,
  l10: Layer<J, K>,
  l11: Layer<K, L>,
  l12: Layer<L, M>,
  l13: Layer<M, N>,
  l14: Layer<N, O>,
  last: Service<O>,
): Service<A>;
export function stack<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P>(
  l1: Layer<A, B>,
  l2: Layer<B, C>,
  l3: Layer<C, D>,
  l4: Layer<D, E>,
  l5: Layer<E, F>,
  l6: Layer<F, G>,
  l7: Layer<G, H>,
  l8: Layer<H, I>,
  l9: Layer<I, J>,
  l10: Layer<J, K>,
  l11: Layer<K, L>,
  l12: Layer<L, M>,
  l13: Layer<M, N>,
  l14: Layer<N, O>,
  l15: Layer<O, P>,
  last: Service<P>,
): Service<A>;
export function stack(...parts: unknown[]): unknown {
  const layers = parts.slice(0, -1) as Layer<never, never>[];
  return layers.reduceRight((next, layer) => layer(next as Service<never>), parts.at(-1) as Service<never>);
}
