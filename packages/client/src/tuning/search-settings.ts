/**
 * Which settings serve a model soonest, found by measures: from how it is served, one setting after the other, each changed alone and
 * kept where that was better, until a pass over all of them changes nothing.
 *
 * 1. No more than `trials` (3 at least) are measured, none is begun once `isOver`, and nothing is measured twice.
 * 2. Better is what its measures and those of the best so far tell apart: the median is sooner by `leastGain`, and than
 *    the soonest round of the other. What may be noise changes nothing.
 * 3. A machine has quiet moments: what was found is held against how it is served once more, measured last, and is best only if it
 *    is better than that, too. That one is kept for it of the trials there may be.
 */
import type { RoundSpeeds, Serving } from '@gryphgen/protocol';

/** Less is not worth a restart, and is within what machines vary. */
const leastGain = 0.03;

/** One setting. `choices`: with other values of it than this has. */
export interface Dimension {
  readonly name: string;
  readonly choices: (serving: Serving) => readonly Serving[];
}

/** `rounds`: one at least. */
export type Measured =
  | { readonly kind: 'measured'; readonly rounds: readonly RoundSpeeds[] }
  | { readonly kind: 'failed'; readonly why: string };

export interface SettingsTrial {
  readonly serving: Serving;
  readonly measured: Measured;
  /** It is the best so far. */
  readonly isBest: boolean;
}

interface MeasuredTrial {
  readonly serving: Serving;
  readonly speeds: RoundSpeeds;
  readonly soonestMs: number;
}

export interface SearchSettings {
  readonly start: Serving;
  readonly dimensions: readonly Dimension[];
  readonly trials: number;
  readonly isOver: () => boolean;
  /** Throws what is to end the search. */
  readonly measure: (serving: Serving) => Promise<Measured>;
  readonly onTrial?: (trial: SettingsTrial) => void;
}

export interface SearchEnd {
  /** As it is served now; undefined where that failed, and with it the search. */
  readonly untuned: RoundSpeeds | undefined;
  readonly best: { readonly serving: Serving; readonly speeds: RoundSpeeds } | undefined;
  readonly trials: readonly SettingsTrial[];
  /** Whether a pass was ended before it was through. */
  readonly isCut: boolean;
}

export async function searchSettings(search: SearchSettings): Promise<SearchEnd> {
  const { start, dimensions } = search;
  const trials: SettingsTrial[] = [];
  const untuned = await tried(search, start, undefined, trials);
  if (untuned === undefined) return { untuned: undefined, best: undefined, trials, isCut: false };
  const known = new Set([written(start)]);
  let [best, isCut] = [untuned, false];
  const mostTried = search.trials - 1;
  for (let changed = true; changed && !isCut; ) {
    changed = false;
    for (const { choices } of dimensions) {
      // All values of one setting are tried beside the others as they were before it.
      for (const serving of choices(best.serving)) {
        if (known.has(written(serving))) continue;
        isCut ||= trials.length >= mostTried || search.isOver();
        if (isCut) break;
        known.add(written(serving));
        const better = await tried(search, serving, best, trials);
        changed ||= better !== undefined;
        best = better ?? best;
      }
    }
  }
  const again = best === untuned ? undefined : await tried(search, start, undefined, trials, best);
  if (again === undefined) return { untuned: untuned.speeds, best, trials, isCut };
  const usual = again.speeds.roundMs < untuned.speeds.roundMs ? again : untuned;
  return { untuned: usual.speeds, best: isBetter(best, usual) ? best : usual, trials, isCut };
}

/** Undefined: it failed, or is not better than `than`. `known`: what it is told against, where that is another. */
async function tried(
  { measure, onTrial }: SearchSettings,
  serving: Serving,
  than: MeasuredTrial | undefined,
  into: SettingsTrial[],
  known = than,
): Promise<MeasuredTrial | undefined> {
  const measured = await measure(serving);
  const found = measured.kind === 'failed' ? undefined : { serving, ...middle(measured.rounds) };
  const isBetterThan = (other: MeasuredTrial | undefined): boolean =>
    found !== undefined && (other === undefined || isBetter(found, other));
  const trial = { serving, measured, isBest: isBetterThan(known) };
  into.push(trial);
  onTrial?.(trial);
  return isBetterThan(than) ? found : undefined;
}

function isBetter({ speeds }: MeasuredTrial, best: MeasuredTrial): boolean {
  return speeds.roundMs <= best.speeds.roundMs * (1 - leastGain) && speeds.roundMs < best.soonestMs;
}

/** Of rounds that took about as long, the middle one. */
export function middle(rounds: readonly RoundSpeeds[]): {
  readonly speeds: RoundSpeeds;
  readonly soonestMs: number;
} {
  const sorted = rounds.toSorted((a, b) => a.roundMs - b.roundMs);
  const [soonest] = sorted;
  const speeds = sorted[(sorted.length - 1) >> 1];
  if (speeds === undefined || soonest === undefined) throw new Error('a measure has a round at least');
  return { speeds, soonestMs: soonest.roundMs };
}

/** The same words for the same settings. */
function written(serving: Serving): string {
  return JSON.stringify(Object.entries(serving).sort(([a], [b]) => (a < b ? -1 : 1)));
}
