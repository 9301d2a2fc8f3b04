/** One seed is one run, byte for byte; what fails can be shrunk and fails the same way. */
import { planRun, runPlan, shrink } from '@gryphgen/testkit';
import { describe, expect, it } from 'vitest';

describe('a run', () => {
  it.each([1, 2, 3, 42, 1005])('of seed %i is the same run again', async (seed) => {
    const first = await runPlan(planRun(seed), Number.POSITIVE_INFINITY);
    const between = await runPlan(planRun(seed + 1), 0);
    const second = await runPlan(planRun(seed), Number.POSITIVE_INFINITY);
    expect(second.trace).toEqual(first.trace);
    expect(second.digest).toBe(first.digest);
    expect(between.digest).not.toBe(first.digest);
  });

  it('has the same digest with and without its lines', async () => {
    const kept = await runPlan(planRun(7), Number.POSITIVE_INFINITY);
    expect((await runPlan(planRun(7), 0)).digest).toBe(kept.digest);
  });
});

it('shrinking leaves what breaks the rule, and nothing else', async () => {
  const plan = planRun(7);
  const unknown = plan.operations.find(({ kind }) => kind === 'submit');
  if (unknown?.kind !== 'submit') throw new Error('seed 7 submits nothing');
  // A client nobody knows: the one operation that must be left.
  const broken = { ...plan, operations: [...plan.operations, { ...unknown, at: 59_000, client: 'nobody' }] };
  const failed = await runPlan(broken, 0);
  expect(failed.failure?.rule).toBe('nothing throws');
  const shrunk = await shrink(broken, failed);
  expect(shrunk.plan.faults).toEqual([]);
  expect(shrunk.plan.operations).toHaveLength(1);
  expect(shrunk.result.failure?.rule).toBe('nothing throws');
});
