/**
 * The two judged collections of ../shared/data/retrieval: Cranfield's abstracts, and CoSQA's Python functions.
 *
 * 1. Settings are tuned on CoSQA's dev queries alone; Cranfield and CoSQA's test queries are only measured.
 * 2. Cranfield's judgments number queries by their place in the file, not by their <num>; of some judged documents one has
 *    relevance 3, which counts as relevant like any other.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Candidate,
  type DocumentParser,
  type Judgments,
  type Quality,
  quality,
  type RankSettings,
  readQrels,
  type SourceChange,
  type Store,
} from '@gryphgen/retrieval';

const folder = fileURLToPath(new URL('../../../shared/data/retrieval', import.meta.url));
export const collectionsFolder = existsSync(folder) ? folder : undefined;

export interface JudgedDocument {
  readonly id: string;
  readonly path: string;
  readonly title: string | null;
  readonly text: string;
}

export interface JudgedQueries {
  readonly queries: ReadonlyMap<string, string>;
  readonly qrels: ReadonlyMap<string, Judgments>;
}

const read = (name: string) => readFileSync(join(folder, name), 'utf8');

export function cranfieldDocuments(): readonly JudgedDocument[] {
  return [...read('cranfield/cran.all.1400.xml').matchAll(/<doc>(.*?)<\/doc>/gs)].map(([, document = '']) => {
    const element = (name: string) =>
      new RegExp(`<${name}>(.*?)</${name}>`, 's').exec(document)?.[1]?.trim() ?? '';
    return {
      id: element('docno'),
      path: `${element('docno')}.txt`,
      title: element('title'),
      text: element('text'),
    };
  });
}

export function cranfieldQueries(): JudgedQueries {
  const titles = [...read('cranfield/cran.qry.xml').matchAll(/<title>(.*?)<\/title>/gs)];
  const qrels = readQrels(read('cranfield/cranqrel.trec.txt'));
  if (qrels.kind === 'wrong') throw new Error(qrels.why);
  const binary = [...qrels.value].map(
    ([query, judgments]) =>
      [query, new Map([...judgments].map(([id, relevance]) => [id, relevance > 0 ? 1 : 0]))] as const,
  );
  return {
    queries: new Map(titles.map(([, text = ''], at) => [String(at + 1), text.trim()])),
    qrels: new Map(binary),
  };
}

export function cosqaDocuments(): readonly JudgedDocument[] {
  const functions = Object.entries(JSON.parse(read('cosqa/code_idx_map.txt')) as Record<string, number>);
  return functions.map(([text, id]) => ({ id: String(id), path: `${id}.py`, title: null, text }));
}

export function cosqaQueries(split: 'dev' | 'test'): JudgedQueries {
  const rows = JSON.parse(read(`cosqa/cosqa-retrieval-${split}-500.json`)) as readonly {
    readonly doc: string;
    readonly retrieval_idx: number;
  }[];
  return {
    queries: new Map(rows.map(({ doc }, at) => [String(at), doc])),
    qrels: new Map(rows.map(({ retrieval_idx: id }, at) => [String(at), new Map([[String(id), 1]])])),
  };
}

/** As a folder of such files would be ingested. */
export async function fillCollection(
  store: Store,
  collection: string,
  documents: readonly JudgedDocument[],
  parser: DocumentParser,
): Promise<void> {
  const changes: SourceChange[] = [];
  for (const { id, path, title, text } of documents) {
    const parsed = await parser.parse(path, Buffer.from(text));
    if (parsed.kind === 'refused') throw new Error(`${path}: ${parsed.reason}`);
    const source = { key: id, path, title: title ?? parsed.title, revision: null, hash: id };
    changes.push({ kind: 'put', source, chunks: parsed.chunks });
  }
  for (let from = 0; from < changes.length; from += 1000)
    await store.apply(collection, changes.slice(from, from + 1000));
}

/** Documents best first, with the score of their best passage. */
export async function documentsFor(
  store: Store,
  collection: string,
  text: string,
  settings?: RankSettings,
): Promise<readonly Candidate[]> {
  const passages = await store.search({
    collections: [collection],
    text,
    limit: 200,
    ...(settings && { settings }),
  });
  const scores = new Map<string, number>();
  for (const { source, score } of passages) if (!scores.has(source.key)) scores.set(source.key, score);
  return [...scores].map(([id, score]) => ({ id, score }));
}

export async function qualityOf(
  store: Store,
  collection: string,
  { queries, qrels }: JudgedQueries,
  settings?: RankSettings,
): Promise<Quality> {
  const rankings = new Map<string, readonly string[]>();
  for (const [id, text] of queries) {
    const documents = await documentsFor(store, collection, text, settings);
    rankings.set(
      id,
      documents.map((document) => document.id),
    );
  }
  return quality(rankings, qrels);
}
