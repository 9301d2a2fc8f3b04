import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Block, type ChunkLimits, plainBlock } from './block.ts';
import { chunkBlocks } from './chunk-blocks.ts';
import { lineWindows } from './line-windows.ts';

const limits: ChunkLimits = { maxChars: 60, targetChars: 40, overlapChars: 15 };
const ranges = (blocks: readonly Block[], bounds = limits) =>
  chunkBlocks(blocks, bounds).map(({ startLine, endLine }) => [startLine, endLine]);

it('packs small blocks together up to the target, only under the same headings', () => {
  const block = (line: number, heading: string) => plainBlock('x'.repeat(15), line, line, [heading]);
  expect(ranges([block(1, 'a'), block(3, 'a'), block(5, 'a'), block(7, 'b')])).toEqual([
    [1, 3],
    [5, 5],
    [7, 7],
  ]);
});

it('keeps what stands alone apart', () => {
  const declared: Block = { ...plainBlock('f()', 2, 2), symbols: ['f'], alone: true };
  const chunks = chunkBlocks([plainBlock('a', 1, 1), declared, plainBlock('b', 3, 3)], limits);
  expect(chunks.map(({ text, symbols }) => [text, symbols])).toEqual([
    ['a', []],
    ['f()', ['f']],
    ['b', []],
  ]);
});

it('cuts a large block at a blank line if one leaves half, with its lines and names', () => {
  const text = [...Array.from({ length: 4 }, () => '0123456789'), '', 'next paragraph', 'and its end'].join(
    '\n',
  );
  const [first, second] = chunkBlocks([{ ...plainBlock(text, 11, 17), symbols: ['big'], alone: true }], {
    ...limits,
    overlapChars: 0,
  });
  expect(first).toMatchObject({ startLine: 11, endLine: 14, symbols: ['big'] });
  expect(second).toMatchObject({ text: '\nnext paragraph\nand its end', endLine: 17, symbols: ['big'] });
});

it('repeats the last lines of a piece in the next', () => {
  const text = Array.from({ length: 12 }, (_, n) => `line ${n + 10}`).join('\n');
  const [first, second] = chunkBlocks([plainBlock(text, 1, 12)], limits);
  expect(first?.endLine).toBe(7);
  expect(second?.startLine).toBe(7);
  expect(second?.text.startsWith('line 16\nline 17')).toBe(true);
});

it('cuts an overlong line after a sentence, and never within a character', () => {
  const sentence = `${'a'.repeat(40)}. ${'b'.repeat(50)}`;
  expect(chunkBlocks([plainBlock(sentence, 1, 1)], limits).map(({ text }) => text)).toEqual([
    `${'a'.repeat(40)}. `,
    'b'.repeat(50),
  ]);
  const pairs = chunkBlocks([plainBlock(`x${'😀'.repeat(100)}`, 1, 1)], limits);
  for (const { text } of pairs) expect(text).not.toMatch(/^[\udc00-\udfff]|[\ud800-\udbff]$/);
});

it('loses nothing and exceeds no bound, whatever the text', () => {
  const line = fc.oneof(
    fc.constant(''),
    fc.string({ maxLength: 30 }),
    fc.string({ minLength: 100, maxLength: 200, unit: fc.constantFrom('a', ' ', '. ', '😀') }),
  );
  void fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (parts) => {
      const lines = parts.map((part) => part.replaceAll(/[\r\n]/g, ' '));
      const chunks = chunkBlocks(lineWindows(lines), limits);
      const seen = new Set<number>();
      for (const { text, startLine, endLine } of chunks) {
        expect(text.length).toBeLessThanOrEqual(limits.maxChars);
        expect(text.trim()).not.toBe('');
        for (let at = startLine; at <= endLine; at += 1) seen.add(at);
      }
      for (const [at, shown] of lines.entries()) {
        if (shown.trim() === '') continue;
        expect(seen).toContain(at + 1);
        const words = shown.split(/\s+/).filter((word) => word !== '' && word.length < 20);
        const mine = chunks.filter(({ startLine, endLine }) => startLine <= at + 1 && endLine >= at + 1);
        for (const word of words) expect(mine.some(({ text }) => text.includes(word))).toBe(true);
      }
    }),
    { numRuns: 300, seed: 7 },
  );
});
