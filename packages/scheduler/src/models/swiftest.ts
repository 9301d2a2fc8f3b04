/**
 * The choice among places where an answer takes so and so long: the soonest, and of those that are about as soon what was
 * preferred before anybody knew.
 */

/** What takes longer by less than this is about as soon: what is foreseen is seldom nearer than that. */
const alike = 0.15;

/**
 * Of `places`, the most preferred first, those that are about as soon as the soonest, in their order. All of them where of the
 * most preferred it is not known: it is not passed over for that, or nobody would ever know.
 */
export function swiftest<P>(places: readonly P[], takes: (place: P) => number | undefined): readonly P[] {
  const [preferred] = places;
  if (preferred === undefined || takes(preferred) === undefined) return places;
  const least = places.reduce((ms, place) => Math.min(ms, takes(place) ?? ms), Number.POSITIVE_INFINITY);
  return places.filter((place) => (takes(place) ?? Number.POSITIVE_INFINITY) <= least * (1 + alike));
}
