// How many calls of one method are worth having under way at a time, found by their latency: the gradient of Envoy's
// adaptive concurrency (limit' = gradient x limit + sqrt(limit), gradient = unqueued latency with headroom / latency
// now), without its periodic fall to 3 places. Pure; adaptive-places.ts feeds it a window of calls at a time.
//
// What a call takes when it does not queue (`baseMs`) comes from live traffic:
//   - while the limit is not used, from every window: nothing queues because of us then
//   - while it is used, every 10 s one window (a dip) with half the places. In a queue latency is proportional to the
//     places, so what half the places leave of it is no queue of ours. A dip costs tenths of a percent of throughput
//   - when the limit itself has fallen as far: the same comparison, with no wait for a dip. So a spell in which the
//     application is slow whatever we do raises the base instead of starving it
//   - downwards within a few windows, while they are faster

export interface AdaptiveState {
  /** Places, with fractions: small steps must add up. */
  readonly limit: number;
  /** What a call takes that does not queue, milliseconds; Infinity while unknown. */
  readonly baseMs: number;
  readonly isDipping: boolean;
  readonly untilDipMs: number;
  /** The window with the most places since the last comparison: what the next one is compared with. */
  readonly reference: { readonly places: number; readonly p50Ms: number } | undefined;
}

/** What was seen of the calls of one window. */
export interface WindowSample {
  /** Median latency of the calls that began in it and succeeded, milliseconds. */
  readonly p50Ms: number;
  /** The most that were under way at once. */
  readonly maxInFlight: number;
  readonly elapsedMs: number;
}

const minPlaces = 4;
const maxPlaces = 1_000;
/** Envoy's B: how far above the base latency may lie before places are taken away. */
const headroomShare = 0.25;
/** Event loops and schedulers scatter by that much, whatever the method. */
const minHeadroomMs = 0.5;
const dipShare = 0.5;
const dipEveryMs = 10_000;
/** While dips still find something new. */
const dipSoonMs = 2_000;
/** A comparison needs places that differ by so much. */
const comparableShare = 0.6;

export const initialAdaptive: AdaptiveState = {
  limit: 16,
  baseMs: Number.POSITIVE_INFINITY,
  isDipping: false,
  untilDipMs: dipSoonMs,
  reference: undefined,
};

/** The places that `state` gives the next window. */
export function placesOf({ limit, isDipping }: AdaptiveState): number {
  return Math.max(minPlaces, Math.floor(isDipping ? limit * dipShare : limit));
}

/** The state after a window. */
export function nextLimit(state: AdaptiveState, sample: WindowSample): AdaptiveState {
  const { p50Ms, maxInFlight } = sample;
  const places = placesOf(state);
  if (state.baseMs === Number.POSITIVE_INFINITY) return { ...state, baseMs: p50Ms };
  if (maxInFlight < places / 2) {
    return { ...state, baseMs: towards(state.baseMs, p50Ms, 0.1), isDipping: false, reference: undefined };
  }
  const isCompared = state.reference !== undefined && places <= state.reference.places * comparableShare;
  const baseMs = isCompared ? comparedBase(state, sample, places) : Math.min(state.baseMs, fasterBase(state, p50Ms));
  const hasMoved = Math.abs(baseMs - state.baseMs) > 0.1 * state.baseMs;
  // A dip only measures: its latency says nothing about the limit.
  const limit = state.isDipping ? state.limit : steppedLimit(state.limit, baseMs, p50Ms);
  const untilDipMs = isCompared ? (hasMoved ? dipSoonMs : dipEveryMs) : state.untilDipMs - sample.elapsedMs;
  const keepsReference = !isCompared && state.reference !== undefined && state.reference.places > places;
  return {
    limit,
    baseMs,
    isDipping: !state.isDipping && untilDipMs <= 0,
    untilDipMs: untilDipMs <= 0 ? dipEveryMs : untilDipMs,
    reference: isCompared ? undefined : keepsReference ? state.reference : { places, p50Ms },
  };
}

function steppedLimit(limit: number, baseMs: number, p50Ms: number): number {
  const headroomMs = Math.max(baseMs * headroomShare, minHeadroomMs);
  const gradient = Math.min(2, Math.max(0.5, (baseMs + headroomMs) / p50Ms));
  return Math.min(maxPlaces, Math.max(minPlaces, gradient * limit + Math.sqrt(limit)));
}

/** One window alone may be fast by chance. */
function fasterBase({ baseMs }: AdaptiveState, p50Ms: number): number {
  return towards(baseMs, p50Ms, 0.3);
}

/**
 * The base after a comparison of few places with many. Latency that fell with the places was a queue and only bounds
 * the base from above; the part that stayed is the base.
 */
function comparedBase({ baseMs, reference }: AdaptiveState, { p50Ms }: WindowSample, places: number): number {
  if (p50Ms <= baseMs || reference === undefined) return p50Ms;
  const fell = (reference.p50Ms - p50Ms) / reference.p50Ms;
  const couldFall = 1 - places / reference.places;
  const stayed = Math.min(1, Math.max(0, 1 - fell / couldFall));
  return towards(baseMs, p50Ms, stayed);
}

function towards(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}
