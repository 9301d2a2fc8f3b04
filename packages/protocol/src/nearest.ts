/** Which of the names that are known somebody who made a typo most likely meant, and how they are told that there is none of theirs. */
import { type Failure, failure } from './failure.ts';

/** `rejected.not-found`: there is no such `what` among `names`, which the command `lists` prints. */
export function unknownName(what: string, name: string, names: readonly string[], lists: string): Failure {
  const near = nearest(name, names);
  const words = near === undefined ? `"${lists}" lists them` : `did you mean ${near}?`;
  return failure('rejected.not-found', `there is no ${what} ${JSON.stringify(name)}: ${words}`);
}

/** Undefined when none is near: at most a third of the letters may differ. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const [best] = nearestOf(word, candidates, 1);
  if (best === undefined) return undefined;
  return distance(word, best) <= Math.max(1, Math.floor(Math.max(word.length, best.length) / 3))
    ? best
    : undefined;
}

/** At most `count`, the nearest first; equals as they come. */
export function nearestOf(word: string, candidates: readonly string[], count: number): readonly string[] {
  return candidates
    .map((name) => ({ name, far: distance(word, name) }))
    .sort((a, b) => a.far - b.far)
    .slice(0, count)
    .map(({ name }) => name);
}

function distance(one: string, other: string): number {
  return distanceOf(one.toLowerCase(), other.toLowerCase());
}

/** Levenshtein's, with a swap of two neighbours as one edit. */
function distanceOf(a: string, b: string): number {
  let [beforeLast, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
