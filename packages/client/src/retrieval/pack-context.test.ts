/** Packs of passages: what is universal by properties, the rest by examples. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Chunk, contextPackSchema } from './ask-steps.ts';
import { packContext } from './pack-context.ts';

function chunk(source: string, lines: [number, number], text: string, over: Partial<Chunk> = {}): Chunk {
  const words = { score: 1, terms: {}, tokens: 10, partial: false };
  return { machine: 'forge', source, lines, text, ...words, ...over };
}

const line = (number: number): string => `what line ${number} says of it`;
const linesOf = (first: number, last: number): string =>
  Array.from({ length: last - first + 1 }, (_, index) => line(first + index)).join('\n');

/** Passages as retrieval has them: runs of lines of a few files, in any order. */
const chunks = fc.array(
  fc
    .record({
      source: fc.constantFrom('/a.md', '/b.md', '/c.ts'),
      first: fc.integer({ min: 1, max: 30 }),
      length: fc.integer({ min: 1, max: 8 }),
      tokens: fc.integer({ min: 0, max: 60 }),
      partial: fc.boolean(),
      score: fc.float({ noNaN: true, noDefaultInfinity: true }),
    })
    .map(({ source, first, length, ...rest }) =>
      chunk(
        source,
        [first, first + length - 1],
        `${source} ${linesOf(first, first + length - 1)}`.replaceAll('\n', `\n${source} `),
        rest,
      ),
    ),
  { maxLength: 20 },
);
const budgets = fc.integer({ min: 0, max: 300 });

describe('any pack', () => {
  it('takes no more than its budget, and is numbered from 1', () => {
    fc.assert(
      fc.property(chunks, budgets, (found, budget) => {
        const pack = contextPackSchema.parse(packContext(found, budget));
        expect(pack.tokens).toBeLessThanOrEqual(budget);
        expect(pack.passages.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(pack.tokens);
      }),
    );
  });

  it('has each line that was taken, at its place, and each once', () => {
    fc.assert(
      fc.property(chunks, (found) => {
        const { passages, leftOut } = packContext(found, Number.MAX_SAFE_INTEGER);
        expect(leftOut).toBe(0);
        for (const { source, lines, text } of found)
          expect(
            passages.some(
              (one) =>
                one.source === source &&
                one.lines[0] <= lines[0] &&
                one.lines[1] >= lines[1] &&
                one.text.includes(text),
            ),
          ).toBe(true);
        for (const { source, text, lines } of passages)
          expect(text.split('\n')).toEqual(
            Array.from({ length: lines[1] - lines[0] + 1 }, (_, at) => `${source} ${line(lines[0] + at)}`),
          );
      }),
    );
  });

  it('tells everything that it does not have, and nothing twice', () => {
    fc.assert(
      fc.property(chunks, budgets, (found, budget) => {
        const { passages, leftOut, copies } = packContext(found, budget);
        expect(passages.length + leftOut + copies).toBeLessThanOrEqual(found.length);
        expect(new Set(passages.map(({ text }) => text)).size).toBe(passages.length);
      }),
    );
  });

  it('has the passages of a file together, in the order of the file', () => {
    fc.assert(
      fc.property(chunks, budgets, (found, budget) => {
        const { passages } = packContext(found, budget);
        const sources = passages.map(({ source }) => source);
        expect(sources.filter((source, at) => source !== sources[at - 1])).toHaveLength(
          new Set(sources).size,
        );
        for (const [at, { source, lines }] of passages.entries()) {
          const next = passages[at + 1];
          if (next?.source === source) expect(next.lines[0]).toBeGreaterThanOrEqual(lines[0]);
        }
      }),
    );
  });

  it('is the same for the same passages, and has the best where that has room', () => {
    fc.assert(
      fc.property(chunks, budgets, (found, budget) => {
        expect(packContext(found, budget)).toEqual(packContext(structuredClone(found), budget));
        const [best] = found;
        if (best === undefined || best.tokens > budget) return;
        const { passages } = packContext(found, budget);
        expect(passages.some(({ text }) => text.includes(best.text))).toBe(true);
      }),
    );
  });
});

describe('a pack', () => {
  it('joins what overlaps, and writes once what two pieces share', () => {
    const shared = 'a sentence that both of them have';
    const { passages } = packContext(
      [
        chunk('/a', [10, 20], `${shared} and its end`, { score: 3, tokens: 7 }),
        chunk('/b', [1, 2], 'other', { score: 2 }),
        chunk('/a', [5, 12], `A beginning, then ${shared}`, { score: 1, tokens: 8 }),
      ],
      100,
    );
    expect(passages).toEqual([
      {
        ...{ number: 1, machine: 'forge', source: '/a', lines: [5, 20], score: 3, tokens: 15 },
        text: `A beginning, then ${shared} and its end`,
      },
      { number: 2, machine: 'forge', source: '/b', lines: [1, 2], score: 2, tokens: 10, text: 'other' },
    ]);
  });

  it('joins no pages, revisions or machines, and hides no gap', () => {
    const pieces = [
      chunk('/a', [1, 2], 'one two'),
      chunk('/a', [3, 4], 'three four', { place: 'page 2' }),
      chunk('/a', [3, 4], 'older three four', { revision: 'abc' }),
      chunk('/a', [3, 4], 'another three four', { machine: 'anvil' }),
      chunk('/a', [6, 7], 'six seven'),
      chunk('/b', [1, 2], 'cut of', { partial: true }),
      chunk('/b', [3, 4], 'what follows', { partial: true }),
    ];
    expect(packContext(pieces, 1000).passages).toHaveLength(pieces.length);
    const whole = pieces.slice(5).map((piece) => ({ ...piece, partial: false }));
    expect(packContext(whole, 1000).passages).toMatchObject([
      { lines: [1, 4], text: 'cut of\nwhat follows' },
    ]);
  });

  it('has a text once, though two files have it', () => {
    const pieces = [chunk('/a', [1, 1], 'the  same\ntext'), chunk('/copy', [9, 9], 'the same text ')];
    expect(packContext(pieces, 100)).toMatchObject({ passages: [{ source: '/a' }], copies: 1, leftOut: 0 });
  });

  it('passes over what is too large, and takes what is smaller behind it', () => {
    const pieces = [50, 200, 30].map((tokens, at) => chunk(`/${at}`, [1, 1], `text ${at}`, { tokens }));
    const { passages, leftOut, tokens } = packContext(pieces, 100);
    expect(passages.map(({ source }) => source)).toEqual(['/0', '/2']);
    expect([leftOut, tokens]).toEqual([1, 80]);
  });
});
