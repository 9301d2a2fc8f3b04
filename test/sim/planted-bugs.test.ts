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
        const { failures } = await explore({
          from: 1,
          runs,
          processes: 2,
          maxFailures: 1,
          child: copy.child,
        });
        expect(failures.map(({ words }) => words)).not.toEqual([]);
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
