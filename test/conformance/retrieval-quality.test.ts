/** Passages are found as well as by a careful BM25, whose figures on the same judgments are the least that is accepted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Candidate,
  DocumentParser,
  type Feedback,
  ndcg,
  openSqliteStore,
  relearned,
  replay,
  type Store,
} from '@gryphgen/retrieval';
import { SeededRandom } from '@gryphgen/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  collectionsFolder,
  cosqaDocuments,
  cosqaQueries,
  cranfieldDocuments,
  cranfieldQueries,
  documentsFor,
  fillCollection,
  qualityOf,
} from '../bench/retrieval-collections.ts';

const isThere = collectionsFolder !== undefined;
if (!isThere) console.warn('NOT TESTED: the quality of retrieval: there is no ../shared/data/retrieval');

const timeout = 300_000;
const dir = mkdtempSync(join(tmpdir(), 'quality-'));
const parser = new DocumentParser(() => 0);
let store: Store;
beforeAll(async () => {
  store = await openSqliteStore({ path: join(dir, 'retrieval.db') });
});
afterAll(async () => {
  await store.close();
  await parser.close();
  rmSync(dir, { recursive: true });
});

it.skipIf(!isThere)('Cranfield', { timeout }, async () => {
  await fillCollection(store, 'cranfield', cranfieldDocuments(), parser);
  const found = await qualityOf(store, 'cranfield', cranfieldQueries());
  expect(found.queries).toBe(225);
  expect(found.ndcgAt10).toBeGreaterThanOrEqual(0.384);
  expect(found.map).toBeGreaterThanOrEqual(0.305);
  expect(found.recall).toBeGreaterThanOrEqual(0.736);
});

it.skipIf(!isThere)('feedback on half of the queries helps the other half', { timeout }, async () => {
  const { queries, qrels } = cranfieldQueries();
  const found = new Map<string, readonly Candidate[]>();
  for (const text of queries.values())
    found.set(text, (await documentsFor(store, 'cranfield', text)).slice(0, 50));
  const candidatesOf = (text: string) => found.get(text) ?? [];
  const random = new SeededRandom(42);
  const gains: number[] = [];
  for (let split = 0; split < 20; split += 1) {
    const order = [...queries]
      .map((query) => ({ query, at: random.next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ query }) => query);
    const half = order.length >> 1;
    const feedback = order.slice(0, half).flatMap(([id, query]) => {
      const judged = [...(qrels.get(id) ?? [])].filter(([, relevance]) => relevance > 0);
      return judged.map(([document]): Feedback => ({ query, id: document, verdict: 'good' }));
    });
    const { learned } = replay(feedback, candidatesOf);
    const unseen = order.slice(half).map(([id, text]) => {
      const ndcgOf = (ranking: readonly Candidate[]) =>
        ndcg(
          ranking.map((document) => document.id),
          qrels.get(id) ?? new Map(),
          10,
        );
      return ndcgOf(relearned(learned, text, candidatesOf(text))) - ndcgOf(candidatesOf(text));
    });
    gains.push(unseen.reduce((sum, gain) => sum + gain, 0) / unseen.length);
  }
  const mean = gains.reduce((sum, gain) => sum + gain, 0) / gains.length;
  const deviation = Math.sqrt(gains.reduce((sum, gain) => sum + (gain - mean) ** 2, 0) / (gains.length - 1));
  // Student's t for 19 degrees of freedom, two-sided 95 %.
  expect(mean - (2.093 * deviation) / Math.sqrt(gains.length)).toBeGreaterThan(0);
});

it.skipIf(!isThere)('CoSQA, the test queries', { timeout }, async () => {
  await fillCollection(store, 'cosqa', cosqaDocuments(), parser);
  const found = await qualityOf(store, 'cosqa', cosqaQueries('test'));
  expect(found.queries).toBe(500);
  expect(found.ndcgAt10).toBeGreaterThanOrEqual(0.387);
  expect(found.map).toBeGreaterThanOrEqual(0.345);
  expect(found.recall).toBeGreaterThanOrEqual(0.822);
});

it.skipIf(!isThere)('a function asked for by its name is found first', { timeout }, async () => {
  const functions = cosqaDocuments().filter((_, at) => at % 97 === 0);
  const names = functions.flatMap(({ text }) => /^(?:async )?def (\w+)/.exec(text)?.[1] ?? []);
  expect(names.length).toBeGreaterThan(40);
  for (const name of names) {
    const [first] = await store.search({ collections: ['cosqa'], text: name, limit: 1 });
    expect(first?.symbols.map((symbol) => symbol.split('.').at(-1))).toContain(name);
  }
});
