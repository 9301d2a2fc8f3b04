import type { Passage } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { chunkSchema } from './ask-steps.ts';
import { withBeside } from './beside-passages.ts';
import { packContext } from './pack-context.ts';

const passage = (source: string, lines: [number, number], over: Partial<Passage> = {}): Passage => ({
  ...{ machine: 'forge', source, lines, score: 2, terms: { it: 2 }, text: `${source} from ${lines[0]}` },
  ...over,
});
const beside = (lines: [number, number]) => ({ lines, text: `beside, from ${lines[0]}` });
const packed = (found: readonly Passage[], budget: number) => {
  const chunks = withBeside(found).map((one) => chunkSchema.parse({ ...one, partial: false, tokens: 10 }));
  return packContext(chunks, budget);
};
const found = [
  passage('/a.md', [5, 6], { title: 'A', named: 'exactly', around: [beside([3, 4]), beside([7, 8])] }),
  passage('/b.md', [1, 2]),
];

it('what stands beside is read where there is room behind all that was found, joined with it', () => {
  expect(packed(found, 100)).toMatchObject({
    passages: [
      { source: '/a.md', lines: [3, 8], text: 'beside, from 3\n/a.md from 5\nbeside, from 7', tokens: 30 },
      { source: '/b.md', lines: [1, 2] },
    ],
    leftOut: 0,
    copies: 0,
  });
});

it('and is not counted as left out where there is none', () => {
  expect(packed(found, 20)).toMatchObject({ passages: [{ lines: [5, 6] }, { lines: [1, 2] }], leftOut: 0 });
  expect(packed(found, 10)).toMatchObject({ passages: [{ lines: [5, 6] }], leftOut: 1 });
});

it('has the score of what it stands beside, and nothing else that is said of that', () => {
  const [, , near] = withBeside(found);
  expect(near).toEqual({
    ...{ machine: 'forge', source: '/a.md', lines: [3, 4], score: 2, terms: {} },
    ...{ text: 'beside, from 3', beside: true },
  });
});
