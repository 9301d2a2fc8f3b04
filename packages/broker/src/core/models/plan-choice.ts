/**
 * Which of the plans for a model's next instance is taken.
 *
 * 1. Where it failed to start lately comes last. Whole on one device comes before divided over as few as hold it, that before
 *    partly on devices, that before the host alone.
 * 2. Of one kind that where a usual answer ends soonest, its load before it; of about as soon that which writes fastest.
 * 3. Of about as fast, or where it is not known, that with least on the host, on fewest devices, the worker with the fastest CPU,
 *    equals by id: the same plans have the same choice, in whatever order.
 */
import { formatDuration } from '@gryphgen/protocol';
import { swiftest, tokensWords } from '@gryphgen/scheduler';
import type { ForeseenLoad } from './foreseen-speeds.ts';
import type { InstancePlan } from './model-plans.ts';

export interface Choice {
  readonly plan: InstancePlan;
  /** Lower is better. */
  readonly kind: readonly [shunned: number, kind: number, devices: number];
  readonly before: readonly [hostShare: number, devices: number, slowness: number];
  /** In words. */
  readonly place: string;
  readonly tokensPerS: number | undefined;
  readonly load: ForeseenLoad;
}

/** Of those that are asked interactively; where it is of account is only how much of the time is the load. */
const answerTokens = 256;

export function chosen(plans: readonly Choice[]): InstancePlan | undefined {
  const sorted = [...plans].sort(compare);
  const [first] = sorted;
  if (first === undefined) return undefined;
  const alike = sorted.filter(({ kind }) => kind.every((value, at) => value === first.kind[at]));
  const loadOf = loadsOf(alike);
  const takesMs = (choice: Choice): number | undefined => {
    const writes = writesMs(choice);
    return writes && writes + (loadOf(choice) ?? 0);
  };
  const [best = first] = swiftest(swiftest(alike, takesMs), writesMs);
  const plan = { ...best.plan, ...answerMs(best) };
  if (best === first) return plan;
  const words = (choice: Choice): string => {
    const load = loadOf(choice);
    const loads = load === undefined ? '' : ` after a load of ${formatDuration(Math.round(load))}`;
    return `${choice.place} (${tokensWords(choice.tokensPerS)}${loads})`;
  };
  const isSooner = (takesMs(best) ?? 0) < (takesMs(first) ?? 0);
  const why = `${isSooner ? 'an answer ends sooner' : 'it writes faster'} on ${words(best)} than on ${words(first)}`;
  return { ...plan, words: `${plan.words}; ${why}` };
}

/** Of a kind that is known of all; else it is left out of account. */
function loadsOf(plans: readonly Choice[]): (choice: Choice) => number | undefined {
  if (plans.every(({ load }) => load.measured !== undefined)) return ({ load }) => load.measured;
  if (plans.every(({ load }) => load.estimated !== undefined)) return ({ load }) => load.estimated;
  return () => undefined;
}

function writesMs({ tokensPerS }: Choice): number | undefined {
  return tokensPerS && answerMsAt(tokensPerS);
}

/** What a usual answer takes where a model writes so fast. */
export function answerMsAt(tokensPerS: number): number {
  return (1000 * answerTokens) / tokensPerS;
}

function answerMs(choice: Choice): Pick<InstancePlan, 'answerMs'> {
  const { load } = choice;
  const [writes, loads] = [writesMs(choice), load.measured ?? load.estimated];
  return writes === undefined || loads === undefined ? {} : { answerMs: writes + loads };
}

function compare(one: Choice, other: Choice): number {
  const [mine, its] = [one, other].map(({ kind, before }) => [...kind, ...before]) as [number[], number[]];
  const at = mine.findIndex((value, place) => value !== its[place]);
  if (at >= 0) return (mine[at] as number) - (its[at] as number);
  if (one.plan.worker === other.plan.worker) return 0;
  return one.plan.worker < other.plan.worker ? -1 : 1;
}
