import type { PastTask } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../placement-policy.ts';
import { evolve } from './evolution.ts';
import { historyOf } from './history.ts';
import { type PastClass, recorded, workers } from './recorded.fixture.ts';

/** Goes by nothing but who has less to do. Runs below are so short that nothing but scores decides. */
const bySpread = {
  ...defaultPolicy,
  version: 3,
  weights: { fit: 0, image: 0, reliability: 0, load: 0, spread: 1, speed: 0 },
};
const swifter: PastClass = { name: 'swifter', slowMs: 900, swiftMs: 100 };
const slower: PastClass = { name: 'slower', slowMs: 100, swiftMs: 900 };
const alike: PastClass = { name: 'alike', slowMs: 400, swiftMs: 400 };

const replayed = (past: readonly PastTask[]) => historyOf(past, workers);

describe('a replay of the history', () => {
  const past = recorded(600, bySpread, () => swifter);
  const arrivals = past.map(({ queuedAt }) => queuedAt).sort((a, b) => a - b);

  it('finds a better policy than one that is plainly worse, and says by how much it is at least', () => {
    const { promotes, why, candidate, evidence, training } = evolve(replayed(past), bySpread);
    expect([promotes, why]).toEqual([true, 'on what it was not chosen by it is better beyond chance']);
    expect(candidate?.weights.speed).toBeGreaterThan(0.02);
    expect(evidence).toMatchObject({ trained: 420, judged: 180 });
    expect(evidence?.gain).toBeGreaterThan(0.3);
    expect(evidence?.leastGain).toBeGreaterThan(0.2);
    expect(evidence?.leastGain).toBeLessThan(evidence?.gain ?? 0);
    expect(training?.after.mean).toBeLessThan(training?.before.mean ?? 0);
  });

  it('finds the same again, in whatever order it is told', () => {
    expect(evolve(replayed(past.toReversed()), bySpread)).toEqual(evolve(replayed(past), bySpread));
  });

  it('promotes nothing where no policy is better', () => {
    const { promotes, why } = evolve(replayed(recorded(600, bySpread, () => alike)), bySpread);
    expect([promotes, why]).toEqual([
      false,
      expect.stringMatching(/no candidate was better|no better, but for chance/),
    ]);
  });

  it('promotes nothing that was better on what it was chosen by alone', () => {
    const turned = recorded(600, bySpread, (each) => (each < 420 ? swifter : slower));
    const { promotes, why, training, evidence } = evolve(replayed(turned), bySpread);
    expect(training?.after.mean).toBeLessThan(0.8 * (training?.before.mean ?? 0));
    expect(evidence?.gain).toBeLessThan(0);
    expect([promotes, why]).toEqual([false, 'on what it was not chosen by it is no better, but for chance']);
  });

  it('says nothing after too few tasks, or too few since the last rollback', () => {
    const few = evolve(replayed(past.slice(0, 300)), bySpread);
    expect([few.promotes, few.why]).toEqual([false, '90 tasks to judge by are too few: 120 are needed']);
    const since = arrivals[500] ?? 0;
    expect(evolve(replayed(past), bySpread, { since }).why).toMatch(/tasks to judge by are too few/);
    expect(evolve(replayed(past), bySpread, { since }).tried).toBe(0);
  });

  it('judges by nothing from before the last rollback', () => {
    const since = arrivals[450] ?? 0;
    const { evidence } = evolve(replayed(past), bySpread, { since });
    expect(evidence).toMatchObject({ since, judged: 150 });
  });
});
