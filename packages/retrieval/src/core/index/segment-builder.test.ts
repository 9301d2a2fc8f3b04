import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { mergePlan } from './merge-plan.ts';
import { PostingsReader, PostingsWriter } from './postings.ts';
import { isDead } from './segment.ts';
import { compareTerms, SegmentBuilder } from './segment-builder.ts';

const rowsOf = (bytes: Uint8Array) => {
  const reader = new PostingsReader(bytes);
  const rows: number[][] = [];
  while (reader.next()) rows.push([reader.ordinal, reader.title, reader.path, reader.symbol, reader.body]);
  return rows;
};

it('postings read as they were written', () => {
  const count = fc.oneof(fc.constant(0), fc.constant(1), fc.nat(70_000));
  const posting = fc.tuple(fc.nat(1_000_000), count, count, count, count);
  void fc.assert(
    fc.property(fc.uniqueArray(posting, { selector: ([ordinal]) => ordinal }), (given) => {
      const sorted = [...given].sort(([a], [b]) => a - b);
      const writer = new PostingsWriter();
      for (const row of sorted) writer.add(...row);
      expect(rowsOf(writer.bytes())).toEqual(sorted);
    }),
  );
});

it('counts terms by field, and lengths without compounds', () => {
  const builder = new SegmentBuilder();
  const nothing = { title: '', path: '', symbols: [], body: '', names: [] };
  builder.add(7, 1, { ...nothing, body: 'nothing here' });
  builder.add(9, 2, {
    title: 'rocket',
    path: 'src/rocket.ts',
    symbols: ['fuelRocket'],
    body: 'rocket rockets',
    names: ['fuelRocket'],
  });
  builder.remove(7);
  const lists = new Map(builder.postings().map(([term, bytes]) => [term, rowsOf(bytes)]));
  expect(lists.get('rocket')).toEqual([[1, 1, 1, 1, 2]]);
  expect(lists.get('~fuelrocket')).toEqual([[1, 0, 0, 1, 0]]);
  expect(lists.get('=fuelRocket')).toEqual([[1, 0, 0, 0, 0]]);
  const { count, chunks, lengths, dead } = builder.segment();
  expect([count, [...chunks], [...lengths]]).toEqual([2, [7, 9], [0, 0, 0, 1, 1, 3, 2, 2]]);
  expect([isDead(dead, 0), isDead(dead, 1)]).toEqual([true, false]);
});

it('orders terms as their UTF-8', () => {
  const terms = ['', 'a', 'ab', 'z', 'é', '\uffee', '😀', '月'];
  const utf8 = [...terms].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect([...terms].sort(compareTerms)).toEqual(utf8);
});

it('merges eight neighbours of one size, and what is mostly dead', () => {
  const of = (...counts: readonly number[]) => counts.map((count) => ({ count, live: count }));
  expect(mergePlan(of(...Array(7).fill(10)))).toBeUndefined();
  expect(mergePlan(of(5000, ...Array(8).fill(10)))).toEqual([1, 9]);
  expect(mergePlan(of(100_000, ...Array(8).fill(3000), 10))).toEqual([1, 10]);
  expect(mergePlan(of(100_000, ...Array(7).fill(3000), 10))).toBeUndefined();
  expect(mergePlan([{ count: 100, live: 60 }])).toEqual([0, 1]);
  expect(mergePlan([])).toBeUndefined();
});

it('each passage is written again a few times at most, however many come', () => {
  const segments: { count: number; live: number }[] = [];
  let written = 0;
  for (let n = 0; n < 4000; n += 1) {
    segments.push({ count: 100, live: 100 });
    for (let plan = mergePlan(segments); plan !== undefined; plan = mergePlan(segments)) {
      const count = segments.slice(...plan).reduce((sum, segment) => sum + segment.count, 0);
      segments.splice(plan[0], plan[1] - plan[0], { count, live: count });
      written += count;
    }
    expect(segments.length).toBeLessThan(40);
  }
  expect(written / 400_000).toBeLessThan(6);
});
