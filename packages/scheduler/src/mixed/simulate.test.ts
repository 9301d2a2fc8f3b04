import { describe, expect, it } from 'vitest';
import { completedFrom, completionsOf, runsUntilNoticed } from './measure.ts';
import { type MixedPolicyName, mixedPolicies } from './policies.ts';

const small = { grid: 'hidden', load: 0.5, seed: 1, taught: 300, measured: 300 } as const;
const mean = (policy: MixedPolicyName): number => {
  const completions = completedFrom(completionsOf(small, policy), small.taught, small.measured);
  return completions.reduce((sum, ms) => sum + ms, 0) / completions.length;
};

describe('a mixed workload', () => {
  it.each(Object.keys(mixedPolicies) as MixedPolicyName[])(
    'is completed under %s, the same way again',
    (policy) => {
      const completions = completionsOf({ ...small, taught: 0, measured: 100 }, policy);
      expect(completions.length).toBeGreaterThan(30);
      for (const { ms } of completions) expect(ms).toBeGreaterThan(0);
      expect(completionsOf({ ...small, taught: 0, measured: 100 }, policy)).toEqual(completions);
    },
  );

  it('ends sooner where what runs take is known, and where it is learned sooner than where nobody asks', () => {
    expect(mean('knowing')).toBeLessThan(mean('learned'));
    expect(mean('learned')).toBeLessThan(mean('round-robin'));
  });

  it('tells of a machine that becomes four times as slow within 20 of its runs', () => {
    const { runs, isNoticed } = runsUntilNoticed({ ...small, taught: 800, measured: 600 }, 0, 4);
    expect(isNoticed).toBe(true);
    expect(runs).toBeLessThanOrEqual(20);
  });
});
