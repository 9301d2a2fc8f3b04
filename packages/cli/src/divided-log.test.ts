import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dividedLog } from './divided-log.ts';

async function divide(chunks: readonly Uint8Array[]) {
  async function* log() {
    yield* chunks;
  }
  const found = { output: '', words: '', parts: 0 };
  for await (const { isOutput, bytes } of dividedLog(log())) {
    found[isOutput ? 'output' : 'words'] += Buffer.from(bytes).toString('latin1');
    found.parts += 1;
  }
  return found;
}

const bytesOf = (text: string) => Buffer.from(text, 'latin1');
const pulled = '[gryphgen: pulled a:1: 2 layers]\n';

describe('a log', () => {
  it('gives the output alone, and the words of the grid apart', async () => {
    const log = `${pulled}one\n[gryphgen x]\n\n${pulled}two [gryphgen: no]\n[gryphgen: cut off`;
    expect(await divide([bytesOf(log)])).toEqual({
      output: 'one\n[gryphgen x]\n\ntwo [gryphgen: no]\n',
      words: `${pulled}${pulled}[gryphgen: cut off`,
      parts: 5,
    });
  });

  it('keeps what only looked like the grid at its end', async () => {
    expect(await divide([bytesOf('a\n[gryphgen')])).toMatchObject({ output: 'a\n[gryphgen', words: '' });
  });

  it('is divided alike wherever its chunks break', async () => {
    const line = fc.constantFrom(pulled, 'x\n', '\n', '[', '[gryphgen: ', '[gryphgen:\n', 'ÿ', '[grid]\n');
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.array(fc.nat(40)), async (lines, cuts) => {
        const whole = bytesOf(lines.join(''));
        const places = [
          0,
          ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b),
          whole.length,
        ];
        const chunks = places.slice(1).map((place, index) => whole.subarray(places[index], place));
        const { output, words } = await divide([whole]);
        expect(await divide(chunks)).toMatchObject({ output, words });
        expect(output.length + words.length).toBe(whole.length);
      }),
    );
  });
});
