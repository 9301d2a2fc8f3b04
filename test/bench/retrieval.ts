/**
 * Retrieval: how good its rankings are on judged collections, beside a careful BM25's; how fast it ingests, beside parsing
 * alone; and how long a question takes among many passages.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DocumentParser, openSqliteStore, type SourceChange, type Store } from '@gryphgen/retrieval';
import type { Benchmark } from './benchmark.ts';
import { type GluedFile, glued } from './glued-files.ts';
import {
  collectionsFolder,
  cosqaDocuments,
  cosqaQueries,
  cranfieldDocuments,
  cranfieldQueries,
  fillCollection,
  type JudgedDocument,
  qualityOf,
} from './retrieval-collections.ts';
import { comparedRow, type Row, row } from './row.ts';
import { percentile } from './statistics.ts';

/** nDCG@10 of BM25 with k1 1.2, b .75, stop words and Porter's stems, on the same judgments. */
const CAREFUL_BM25 = { cranfield: 0.384, 'cosqa-test': 0.387 } as const;
/** What is applied together: a few seconds of ingest are lost when the machine fails. */
const BATCH_BYTES = 4 * 1024 ** 2;

export const retrieval: Benchmark = {
  name: 'retrieval',
  about: 'quality on Cranfield and CoSQA, ingest, and questions among many passages',
  async run({ scale, say }) {
    if (collectionsFolder === undefined) {
      say('left out: there is no ../shared/data/retrieval');
      return [];
    }
    const made = fileURLToPath(new URL('../../.tmp', import.meta.url));
    mkdirSync(made, { recursive: true });
    const dir = mkdtempSync(join(made, 'bench-'));
    const store = await openSqliteStore({ path: join(dir, 'retrieval.db') });
    const parser = new DocumentParser(() => performance.now());
    try {
      const documents = { cranfield: cranfieldDocuments(), cosqa: cosqaDocuments() };
      return [
        ...(await quality(store, parser, documents, scale.judgedDocuments, say)),
        ...(await ingest(store, parser, 'text', glued(documents.cranfield, 10, 'txt', scale.ingestedBytes))),
        ...(await ingest(store, parser, 'code', glued(documents.cosqa, 20, 'py', scale.ingestedBytes))),
        ...(await questions(store, documents, scale.passages)),
      ];
    } finally {
      await store.close();
      await parser.close();
      rmSync(dir, { recursive: true });
    }
  },
};

interface Documents {
  readonly cranfield: readonly JudgedDocument[];
  readonly cosqa: readonly JudgedDocument[];
}

async function quality(
  store: Store,
  parser: DocumentParser,
  { cranfield, cosqa }: Documents,
  count: number,
  say: (words: string) => void,
): Promise<Row[]> {
  await fillCollection(store, 'cranfield', cranfield.slice(0, count), parser);
  await fillCollection(store, 'cosqa', cosqa.slice(0, count), parser);
  const measured = [
    ['cranfield', 'cranfield', cranfieldQueries()],
    ['cosqa-dev', 'cosqa', cosqaQueries('dev')],
    ['cosqa-test', 'cosqa', cosqaQueries('test')],
  ] as const;
  const rows: Row[] = [];
  for (const [name, collection, queries] of measured) {
    say(`retrieval: ${name}`);
    const found = await qualityOf(store, collection, {
      ...queries,
      queries: new Map([...queries.queries].slice(0, count)),
    });
    const baseline = name === 'cosqa-dev' ? undefined : CAREFUL_BM25[name];
    rows.push(
      baseline === undefined
        ? row(`retrieval.${name}.ndcg10`, found.ndcgAt10, '')
        : comparedRow(`retrieval.${name}.ndcg10`, found.ndcgAt10, '', {
            name: 'careful BM25',
            value: baseline,
          }),
      row(`retrieval.${name}.map`, found.map, ''),
      row(`retrieval.${name}.recall100`, found.recall, ''),
    );
  }
  return rows;
}

/** MB a second, from bytes to what can be searched and is on the disk; beside it, parsing the same alone. */
async function ingest(
  store: Store,
  parser: DocumentParser,
  kind: 'text' | 'code',
  files: readonly GluedFile[],
): Promise<Row[]> {
  const bytes = files.reduce((sum, file) => sum + file.bytes.byteLength, 0);
  const rate = (sinceMs: number) => bytes / 1000 / (performance.now() - sinceMs);
  let begunMs = performance.now();
  for (const file of files) await parser.parse(file.path, file.bytes);
  const parsing = { name: 'parsing alone', value: rate(begunMs) };
  begunMs = performance.now();
  let applied = Promise.resolve();
  for (let from = 0; from < files.length; ) {
    const changes: SourceChange[] = [];
    for (let size = 0; size < BATCH_BYTES && from < files.length; from += 1) {
      const { path, bytes: content } = files[from] as GluedFile;
      const parsed = await parser.parse(path, content);
      if (parsed.kind === 'refused') throw new Error(`${path}: ${parsed.reason}`);
      const source = { key: path, path, title: parsed.title, revision: null, hash: path };
      changes.push({ kind: 'put', source, chunks: parsed.chunks });
      size += content.byteLength;
    }
    // One batch is written while the next is parsed.
    await applied;
    applied = store.apply(kind, changes);
  }
  await applied;
  return [comparedRow(`retrieval.ingest.${kind}`, rate(begunMs), 'MB/s', parsing)];
}

/** Cranfield's questions and CoSQA's, ten answers each, among so many passages of both kinds. */
async function questions(store: Store, { cranfield, cosqa }: Documents, passages: number): Promise<Row[]> {
  const texts = [...cranfield, ...cosqa].map(({ text }) => text.slice(0, 1500));
  const chunkOf = (n: number) => {
    // Two halves, so that no two are the same.
    const [one, other] = [
      texts[n % texts.length],
      texts[(n * 31 + Math.floor(n / texts.length)) % texts.length],
    ];
    const text = `${one?.slice(0, 500)}\n${other?.slice(0, 500)}`;
    return { text, startLine: 1, endLine: 1, headings: [], symbols: [] };
  };
  for (let from = 0; from < passages; from += 5000) {
    const count = Math.min(5000, passages - from);
    const source = { key: `${from}`, path: `${from}`, title: null, revision: null, hash: '' };
    const chunks = Array.from({ length: count }, (_, at) => chunkOf(from + at));
    await store.apply('many', [{ kind: 'put', source, chunks }]);
  }
  // It is answered when the merges that are due are done.
  await store.apply('many', []);
  const all = [...cranfieldQueries().queries.values(), ...cosqaQueries('dev').queries.values()];
  const asked = all.slice(0, passages);
  const times: number[] = [];
  for (const text of [...asked.slice(0, 50), ...asked]) {
    const begunMs = performance.now();
    await store.search({ collections: ['many'], text, limit: 10 });
    times.push(performance.now() - begunMs);
  }
  const warm = times.slice(50);
  return [
    row(`retrieval.${passages}.query.p50`, percentile(warm, 0.5), 'ms'),
    row(`retrieval.${passages}.query.p99`, percentile(warm, 0.99), 'ms'),
  ];
}
