import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../seeded-random.ts';
import { SlowdownWatch } from './slowdown-watch.ts';

/** Slowdowns as they come: each of its own, and in spells of some forty tasks that all wait longer or shorter. */
function tasks(random: SeededRandom): () => number {
  let [spell, left] = [0, 0];
  return () => {
    if (left <= 0) {
      left = random.int(20, 60);
      spell = random.between(-0.5, 0.5);
    }
    left -= 1;
    return Math.exp(spell + random.between(-1, 1));
  };
}

/** Whether the policy after the first 640 tasks is found worse; each of its tasks takes `times` as long. */
function isFoundWorse(seed: number, times: number): boolean {
  const next = tasks(new SeededRandom(seed));
  const watch = new SlowdownWatch();
  for (let before = 0; before < 640; before += 1) watch.note(next());
  watch.promoted();
  while (watch.isWatching) {
    watch.note(times * next());
    if (watch.isWorse()) return true;
  }
  return false;
}

const seeds = Array.from({ length: 200 }, (_, seed) => seed);

describe('the watch over slowdowns', () => {
  it('goes by no chance: of policies that change nothing hardly one in a hundred is found worse', () => {
    expect(seeds.filter((seed) => isFoundWorse(seed, 1)).length).toBeLessThanOrEqual(2);
  });

  it('finds a policy worse under which tasks take twice as long, nearly always', () => {
    expect(seeds.filter((seed) => isFoundWorse(seed, 2)).length).toBeGreaterThanOrEqual(195);
  });

  it('finds none worse under which tasks end sooner', () => {
    expect(seeds.filter((seed) => isFoundWorse(seed, 0.7))).toEqual([]);
  });

  it('says nothing after too few tasks, of either policy', () => {
    const watch = new SlowdownWatch();
    const note = (count: number, slowdown: number) => {
      for (let each = 0; each < count; each += 1) watch.note(slowdown * (1 + each / 1e4));
    };
    note(100, 1);
    watch.promoted();
    note(1000, 50);
    expect(watch.verdict()).toBeUndefined();
    note(24, 50);
    expect(watch.isWatching).toBe(false);
    watch.promoted();
    note(255, 500);
    expect(watch.verdict()).toBeUndefined();
    note(1, 500);
    expect(watch.isWorse()).toBe(true);
    expect(watch.verdict()?.ratio).toBeGreaterThan(9);
  });

  it('forgets what was seen under a policy that was rolled back', () => {
    const watch = new SlowdownWatch();
    for (let each = 0; each < 384; each += 1) watch.note(1 + each / 1e4);
    const before = watch.save();
    watch.promoted();
    for (let each = 0; each < 200; each += 1) watch.note(9);
    watch.rolledBack();
    expect(watch.save()).toEqual(before);
  });

  it('is the same when it was saved and loaded in the middle', () => {
    const next = tasks(new SeededRandom('saved'));
    const watch = new SlowdownWatch();
    for (let each = 0; each < 333; each += 1) watch.note(next());
    watch.promoted();
    for (let each = 0; each < 333; each += 1) watch.note(next());
    const again = new SlowdownWatch();
    again.load(structuredClone(watch.save()));
    for (let each = 0; each < 333; each += 1) {
      const slowdown = next();
      watch.note(slowdown);
      again.note(slowdown);
    }
    expect(again.verdict()).toEqual(watch.verdict());
    expect(watch.verdict()).toBeDefined();
  });
});
