import type { ExplainDocument } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { styleOf } from '../terminal.ts';
import { explainJson, explainLines } from './explain-view.ts';

const placed: ExplainDocument = {
  id: 't7',
  state: 'running',
  when: 'placed',
  decision: 'placed on forge, total 0.8, expected to end in 12 s',
  workers: [{ worker: 'w-1', name: 'forge', feasible: true, scores: { fit: 1, finish: 0.75 }, total: 0.8 }],
  weights: { fit: 0.2, finish: 0.8 },
  expected: { takesMs: 12_340 },
  ranMs: 9000,
};
const waiting: ExplainDocument = {
  id: 't8',
  state: 'waiting',
  when: 'now',
  decision: 'waiting: 1 of 1 workers may take it later',
  workers: [{ worker: 'w-1', name: 'forge', feasible: false, reasons: ['2 CPU free, 4 asked'] }],
  expected: { worker: 'w-1', name: 'forge', startMs: 65_000, takesMs: 400 },
  nearest: { worker: 'w-1', name: 'forge', reasons: ['2 CPU free, 4 asked'] },
};

it('tells weights, and what was expected beside what is', () => {
  const text = explainLines(placed, styleOf(false), 100).join('\n');
  expect(text).toContain('expected to take about 12 s, has run for 9 s');
  expect(text).toContain('FIT ×0.20');
  expect(text).toContain('FINISH ×0.80');
});

it('tells of what had to be fetched first how long that was to take, and took', () => {
  const fetched = { ...placed, expected: { takesMs: 32_000, fetchMs: 20_000 }, fetchedMs: 41_000 };
  expect(explainLines(fetched, styleOf(false), 100)).toContain(
    'expected to take about 32 s, of that 20 s until what it needed was there, ran after 41 s, has run for 9 s',
  );
});

it('tells when a waiting task is expected to start, and what would let it start now', () => {
  const text = explainLines(waiting, styleOf(false), 100).join('\n');
  expect(text).toContain('expected to end first on forge: starts in about 1 m 5 s, takes about 400 ms');
  expect(text).toContain('could start now on forge, were it not for this: 2 CPU free, 4 asked');
});

it('tells how much has come of what a task is given', () => {
  const fetched = { bytes: 3 * 1024 ** 3, of: 4 * 1024 ** 3 };
  const text = explainLines({ ...placed, state: 'leased', fetched }, styleOf(false), 100).join('\n');
  expect(text).toContain('fetching its inputs: 3 GiB of 4 GiB (75%)');
});

it('is all in the document', () => {
  expect(explainJson(placed)).toEqual(placed);
});

it('names the policy that decided where that is another than gryphgen comes with', () => {
  const words = (policy?: number) =>
    explainLines({ ...placed, ...(policy !== undefined && { policy }) }, styleOf(false), 100).join('\n');
  expect(words(3)).toContain('as it was decided then by version 3 of the placement policy:');
  for (const policy of [undefined, 0]) expect(words(policy)).toContain('as it was decided then:');
});

it('tells of an answer where its time went', () => {
  const tokens = { prompt: 512, cached: 256, output: 64 };
  const answer = { queueMs: 12.4, firstMs: 360, restMs: 2100, promptMs: 340, outputMs: 2000, tokens };
  const words = (over = {}) =>
    explainLines({ ...placed, answer: { ...answer, ...over } }, styleOf(false), 100).join('\n');
  expect(words()).toContain(
    "waited 12 ms for its place, a prompt of 512 tokens (256 were known) computed in 340 ms, 64 tokens written in 2 s (32 tokens/s), its first byte after 360 ms at the model's server, its last 2 s later",
  );
  expect(words({ questions: 9 })).toContain('9 questions answered by its slot, in all');
});
