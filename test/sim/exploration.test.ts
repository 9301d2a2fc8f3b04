/** CI's exploration: no rule is broken, and everything that is to be met is met. */
import { explore, reachedExclusions, unreached } from '@gryphgen/testkit';
import { expect, it } from 'vitest';

const runs = 2000;
/** Of the two cores CI has. */
const processes = 2;

it(`${runs} seeds break no rule and reach everything`, { timeout: 600_000 }, async () => {
  const report = await explore({ from: 1, runs, processes, maxFailures: 5 });
  expect(report.failures).toEqual([]);
  expect(report.runs).toBe(runs);
  expect(unreached(report.coverage), 'unreached').toEqual([]);
  expect(reachedExclusions(report.coverage), 'excluded, and reached').toEqual([]);
});
