/**
 * Policies near another one: a step in one of its parts, up or down, or in all at once. The same from the same seed.
 *
 * 1. Every candidate is a policy: weights of 0 to 1 that sum to 1.
 * 2. No step changes what no replay can judge: what is charged of memory.
 */
import { type PolicyParts, scoreTerms } from '@gryphgen/protocol';
import type { SeededRandom } from '../seeded-random.ts';

/** A weight times or over this. */
const weightStep = 2.5;
/** What is 0 can be more again. */
const leastWeight = 0.01;
const shareStep = 0.15;
const runsStep = 2;
const leastRunsRange = [0, 50] as const;
/** What is whole, and what is not, by which it is multiplied at most, and between which it stays. */
const correctionSteps = {
  runsPerTry: { times: 2, least: 2, most: 1000, whole: true },
  waitRuns: { times: 2, least: 1, most: 100, whole: true },
  tryCost: { times: 1.5, least: 1, most: 10, whole: false },
  yieldShare: { times: 2, least: 0.25, most: 16, whole: false },
} as const satisfies Partial<Record<keyof PolicyParts['corrections'], CorrectionStep>>;
type Correction = keyof typeof correctionSteps;
const stepped = Object.keys(correctionSteps) as Correction[];

interface CorrectionStep {
  readonly times: number;
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
}

/** From one policy to another near it. */
export type Step = (from: PolicyParts) => PolicyParts;

/** In one part each. */
export const steps: readonly Step[] = [
  ...[shareStep, -shareStep].flatMap((step): readonly Step[] => [
    (from) => ({ ...from, finishWeight: share(from.finishWeight + step) }),
    (from) => ({ ...from, waitGain: share(from.waitGain + step) }),
  ]),
  ...[runsStep, 1 / runsStep].map(
    (times): Step =>
      (from) => ({ ...from, leastRuns: runsFrom(from.leastRuns, times) }),
  ),
  ...scoreTerms.flatMap((term) =>
    [weightStep, 1 / weightStep].map(
      (times): Step =>
        (from) =>
          weighed(from, { [term]: Math.max(leastWeight, from.weights[term]) * times }),
    ),
  ),
  ...stepped.flatMap((one) => {
    const { times } = correctionSteps[one];
    return [times, 1 / times].map(
      (by): Step =>
        (from) =>
          corrected(from, { [one]: by }),
    );
  }),
];

/** In all parts. */
export function stepInAll(random: SeededRandom): Step {
  const times = (most: number): number => most ** random.between(-1, 1);
  const steps = scoreTerms.map((term) => [term, times(weightStep)] as const);
  const [finish, wait] = [random.between(-shareStep, shareStep), random.between(-shareStep, shareStep)];
  const runs = times(runsStep);
  const by = Object.fromEntries(stepped.map((one) => [one, times(correctionSteps[one].times)]));
  return (from) => ({
    ...weighed(
      from,
      Object.fromEntries(steps.map(([term, by]) => [term, Math.max(leastWeight, from.weights[term]) * by])),
    ),
    finishWeight: share(from.finishWeight + finish),
    waitGain: share(from.waitGain + wait),
    leastRuns: runsFrom(from.leastRuns, runs),
    corrections: corrected(from, by).corrections,
  });
}

/** `by`: times what it was. */
function corrected(from: PolicyParts, by: Partial<Record<Correction, number>>): PolicyParts {
  const corrections = { ...from.corrections };
  for (const one of stepped) {
    const { [one]: times = 1 } = by;
    const { least, most, whole } = correctionSteps[one];
    const value = Math.min(most, Math.max(least, corrections[one]) * times);
    corrections[one] = Math.max(least, whole ? Math.round(value) : value);
  }
  return { ...from, corrections };
}

function weighed(from: PolicyParts, changed: Partial<PolicyParts['weights']>): PolicyParts {
  const raw = { ...from.weights, ...changed };
  const sum = scoreTerms.reduce((all, term) => all + raw[term], 0);
  const weights = { ...raw };
  for (const term of scoreTerms) weights[term] = raw[term] / sum;
  return { ...from, weights };
}

function share(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/** Half of one is none, and twice none is two. */
function runsFrom(runs: number, times: number): number {
  const [least, most] = leastRunsRange;
  const changed = times < 1 ? Math.floor(runs * times) : Math.round(Math.max(1, runs) * times);
  return Math.min(most, Math.max(least, changed));
}
