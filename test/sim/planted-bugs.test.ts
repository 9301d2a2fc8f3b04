/** The simulator finds what it is for: each planted bug breaks a rule within 2,000 runs. */
import { explore } from '@gryphgen/testkit';
import { describe, expect, it } from 'vitest';
import { plantedBugs } from './planted-bugs.ts';
import { plant } from './planted-copy.ts';

const runs = 2000;

describe('a planted bug is found:', () => {
  for (const bug of plantedBugs) {
    it(bug.name, { timeout: 240_000 }, async () => {
      const copy = plant(bug);
      try {
        const search = { processes: 2, maxFailures: 1, child: copy.child };
        const known = await explore({ ...search, from: bug.seed, runs: 1 });
        const { failures } = known.failures.length > 0 ? known : await explore({ ...search, from: 1, runs });
        expect(failures.map(({ words }) => words)).not.toEqual([]);
        const { seed } = failures[0] ?? bug;
        if (seed !== bug.seed) console.log(`${bug.name}: found by seed ${seed}, not by ${bug.seed} any more`);
      } finally {
        copy.remove();
      }
    });
  }
});

it('a patch whose snippet is gone fails loudly', () => {
  const bug = { ...(plantedBugs[0] as (typeof plantedBugs)[number]), snippet: 'no such code' };
  expect(() => plant(bug)).toThrow(/is 0 times in .*, expected once/);
});
