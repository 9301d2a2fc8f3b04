import { limits } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { keptLogHead, keptLogOf, mostHeadBytes, readKeptLogHead, resumedAt } from './kept-log.ts';

const half = limits.keptLogBytes / 2;

/** In pieces of one size. */
async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function kept(log: Buffer, size: number) {
  const made = keptLogOf(log.length, inPieces(log, size));
  const parts: Uint8Array[] = [];
  for await (const bytes of made.log) parts.push(bytes);
  const text = Buffer.concat(parts);
  expect(text.length).toBe(made.bytes);
  return text;
}

it('a log is kept as it is up to its limit', async () => {
  const log = Buffer.alloc(limits.keptLogBytes, 'x');
  expect((await kept(log, 1_000_003)).equals(log)).toBe(true);
});

it.each([1_000_003, half, half - 7, limits.keptLogBytes * 2])(
  'of a longer one both ends are kept, and what is missing is said: in pieces of %i bytes',
  async (size) => {
    const middle = 1234;
    const log = Buffer.concat([Buffer.alloc(half, 'a'), Buffer.alloc(middle, 'b'), Buffer.alloc(half, 'c')]);
    const text = await kept(log, size);
    const mark = `\n[gryphgen: ${middle} bytes of the log were not kept here]\n`;
    expect(text.subarray(0, half).equals(Buffer.alloc(half, 'a'))).toBe(true);
    expect(text.subarray(half, half + mark.length).toString()).toBe(mark);
    expect(text.subarray(half + mark.length).equals(Buffer.alloc(half, 'c'))).toBe(true);
    expect(resumedAt(half - 1, text.length)).toBe(half - 1);
    expect(resumedAt(half + middle + 5, text.length)).toBe(half);
    expect(resumedAt(half + 5, half + 6)).toBe(half + 5);
  },
);

it('the line before a log is read back, and nothing else is taken for one', () => {
  const most = {
    task: Number.MAX_SAFE_INTEGER,
    attempt: Number.MAX_SAFE_INTEGER,
    bytes: limits.keptLogBytes,
  };
  const line = keptLogHead(most);
  expect(line.length).toBeLessThanOrEqual(mostHeadBytes);
  expect(readKeptLogHead(line.toString())).toEqual(most);
  for (const wrong of [
    '',
    '{',
    '[]',
    '{"task":0,"attempt":1,"bytes":1}',
    '{"task":1,"attempt":1,"bytes":1e9}',
  ])
    expect(readKeptLogHead(wrong)).toBe(undefined);
});
