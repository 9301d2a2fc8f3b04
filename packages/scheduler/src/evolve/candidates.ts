/**
 * Policies near another one: a step in one of its parts, up or down, or in all at once. The same from the same seed.
 *
 * 1. Every candidate is a policy: weights of 0 to 1 that sum to 1.
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
];

/** In all parts. */
export function stepInAll(random: SeededRandom): Step {
  const times = (most: number): number => most ** random.between(-1, 1);
  const steps = scoreTerms.map((term) => [term, times(weightStep)] as const);
  const [finish, wait] = [random.between(-shareStep, shareStep), random.between(-shareStep, shareStep)];
  const runs = times(runsStep);
  return (from) => ({
    ...weighed(
      from,
      Object.fromEntries(steps.map(([term, by]) => [term, Math.max(leastWeight, from.weights[term]) * by])),
    ),
    finishWeight: share(from.finishWeight + finish),
    waitGain: share(from.waitGain + wait),
    leastRuns: runsFrom(from.leastRuns, runs),
  });
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
