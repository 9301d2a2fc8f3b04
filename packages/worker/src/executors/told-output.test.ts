import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LabelledBytes } from './docker-engine.ts';
import { ToldOutput } from './told-output.ts';

const newline = 10;
const part = fc.record({
  stream: fc.constantFrom(1, 2),
  bytes: fc.array(fc.constantFrom(newline, 97, 98), { maxLength: 6 }).map((bytes) => Uint8Array.from(bytes)),
});
const output = fc.array(part, { maxLength: 12 });

function ofStream(parts: readonly LabelledBytes[], stream: number): readonly number[] {
  return parts.filter((each) => each.stream === stream).flatMap(({ bytes }) => [...bytes]);
}
const others = (bytes: readonly number[]) => bytes.filter((byte) => byte !== newline);
/** The same in pieces of one byte each. */
const crumbs = (parts: readonly LabelledBytes[]) =>
  parts.flatMap(({ stream, bytes }) => [...bytes].map((byte) => ({ stream, bytes: Uint8Array.of(byte) })));

function goOn(before: readonly LabelledBytes[], again: readonly LabelledBytes[]): readonly LabelledBytes[] {
  const told = new ToldOutput();
  for (const each of before) told.add(each);
  return [...before, ...again.map((each) => told.beyond(each))];
}

describe('an output that is told once more from its first byte', () => {
  it('is told once, wherever it was cut and however its streams mix then', () => {
    fc.assert(
      fc.property(output, fc.nat({ max: 12 }), fc.boolean(), (whole, cut, inCrumbs) => {
        const again = [...whole].sort((a, b) => a.stream - b.stream);
        const all = goOn(whole.slice(0, cut), inCrumbs ? crumbs(again) : again);
        for (const stream of [1, 2]) expect(ofStream(all, stream)).toEqual(ofStream(whole, stream));
      }),
    );
  });

  it('loses nothing where it comes without some of its line ends', () => {
    fc.assert(
      fc.property(output, fc.nat({ max: 12 }), fc.infiniteStream(fc.boolean()), (whole, cut, isLost) => {
        const again = crumbs(whole).filter(
          ({ bytes }) => bytes[0] !== newline || isLost.next().value !== true,
        );
        const all = goOn(whole.slice(0, cut), again);
        for (const stream of [1, 2])
          expect(others(ofStream(all, stream))).toEqual(others(ofStream(whole, stream)));
      }),
    );
  });
});
