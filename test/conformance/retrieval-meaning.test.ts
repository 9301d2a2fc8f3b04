/** SYMORG's service with vectors: they are given to it, and it ranks by them beside words. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Embedding, QueryResult } from '@gryphgen/protocol';
import { RetrievalService } from '@gryphgen/retrieval';
import { afterEach, beforeEach, expect, it } from 'vitest';

const docs = { machine: 'forge', path: '/docs' };
const maxBytes = 16_000;
const embedding: Embedding = { model: 'words', digest: `sha256:${'a'.repeat(64)}`, dimension: 3 };
const other: Embedding = { model: 'others', digest: `sha256:${'b'.repeat(64)}`, dimension: 3 };
let folder: string;
let service: RetrievalService;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-meaning-'));
  service = await RetrievalService.open(join(folder, 'kept'));
});
afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true });
});

async function sync(texts: Readonly<Record<string, string>>) {
  const files = await Promise.all(
    Object.entries(texts).map(async ([path, text]) => {
      const at = join(folder, path);
      await writeFile(at, text);
      return { path, bytes: text.length, hash: text, at };
    }),
  );
  const ingesting = { signal: new AbortController().signal, tell: () => undefined };
  return await service.sync('notes', docs, files, ingesting);
}

const floats = (...values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);

async function lacking() {
  const answer = await service.unembedded('notes', 0, maxBytes);
  if ('code' in answer) throw new Error(answer.message);
  return answer.passages;
}

/** Each passage by what its text begins with. */
async function give(vectors: Readonly<Record<string, readonly number[]>>, by = embedding) {
  const passages = await lacking();
  const values = passages.flatMap(({ text }) => vectors[text.slice(0, 5)] ?? [0, 0, 1]);
  const ids = passages.map(({ id }) => id);
  return await service.addVectors({
    ...{ op: 'vectors', collection: 'notes', embedding: by },
    ...{ passages: ids, values: floats(...values) },
  });
}

async function asked(text: string, vector?: readonly number[], digest = embedding.digest) {
  const answer = await service.query(
    {
      ...{ op: 'query', collection: 'notes', text, count: 10, of: 'passages' },
      ...(vector && { vector: { digest, values: floats(...vector) } }),
    },
    maxBytes,
  );
  if ('code' in answer) throw new Error(answer.message);
  return answer;
}

const sourcesOf = ({ results }: QueryResult) => results.map(({ source }) => source);

it('ranks by words and by meaning, and says what each added', async () => {
  await sync({ 'a.md': 'A walrus dives.', 'b.md': 'Seals swim.', 'c.md': 'The walrus and a pelican.' });
  expect(await service.embedBy({ op: 'embed', collection: 'notes', embedding })).toEqual({
    embedding,
    lacking: 3,
  });
  expect((await lacking()).map(({ text }) => text)).toContain('Seals swim.');
  expect(await give({ 'A wal': [1, 0, 0], Seals: [0.9, 0.1, 0], 'The w': [0, 1, 0] })).toEqual({ kept: 3 });
  const words = await asked('walrus');
  expect(words.embedding).toEqual(embedding);
  expect(sourcesOf(words)).toEqual(['/docs/a.md', '/docs/c.md']);
  const both = await asked('walrus', [1, 0, 0]);
  expect(sourcesOf(both)).toEqual(['/docs/a.md', '/docs/c.md', '/docs/b.md']);
  expect(both.results.map(({ terms }) => terms)).toEqual([
    { walru: 1, '(meaning)': 1 },
    { walru: 0.9839, '(meaning)': 0.9683 },
    { '(meaning)': 0.9839 },
  ]);
  for (const { score, terms } of both.results)
    expect(score).toBeCloseTo(
      Object.values(terms).reduce((sum, one) => sum + one, 0),
      3,
    );
  expect(sourcesOf(await asked('ocelot', [0, 1, 0]))[0]).toBe('/docs/c.md');
  // By another model's vector, words alone.
  expect(await asked('walrus', [1, 0, 0], other.digest)).toEqual(words);
  expect(await service.list(maxBytes)).toMatchObject({
    collections: [{ vectors: { embedding, lacking: 0 } }],
  });
});

it('finds first what a query names as a whole, whatever is nearer', async () => {
  await sync({ 'a.ts': 'export function parseHeader() {}\n', 'b.md': 'Words of something else.' });
  await service.embedBy({ op: 'embed', collection: 'notes', embedding });
  await give({ Words: [1, 0, 0] });
  expect(sourcesOf(await asked('parseHeader', [1, 0, 0]))).toEqual(['/docs/a.ts', '/docs/b.md']);
});

it('keeps the vectors of what is as before, and of nothing that is gone', async () => {
  const long = 'Long words. '.repeat(120);
  await sync({ 'a.md': `# One\n\n${long}\n\n# Two\n\nA walrus dives.`, 'b.md': 'Seals swim.' });
  await service.embedBy({ op: 'embed', collection: 'notes', embedding });
  await give({});
  const changed = await sync({ 'a.md': `# One\n\n${long}\n\n# Two\n\nA pelican dives.` });
  expect(changed).toMatchObject({ changed: 1, removed: 1, vectors: { embedding, lacking: 1 } });
  expect((await lacking()).map(({ text }) => text)).toEqual([expect.stringContaining('A pelican dives.')]);
  expect(await service.forget('notes', 'long words')).toMatchObject({ elsewhere: [] });
  expect((await asked('dives', [0, 0, 1])).results.every(({ text = '' }) => !text.includes('Long'))).toBe(
    true,
  );
});

it('refuses what is by another model, with how to begin anew', async () => {
  await sync({ 'a.md': 'A walrus dives.' });
  expect(await give({})).toMatchObject({
    code: 'rejected.state',
    message: expect.stringContaining('has no vectors'),
  });
  await service.embedBy({ op: 'embed', collection: 'notes', embedding });
  expect(await give({}, other)).toMatchObject({ code: 'rejected.state' });
  expect(await service.embedBy({ op: 'embed', collection: 'notes', embedding: other })).toMatchObject({
    code: 'rejected.state',
    message: expect.stringContaining('--embed others --again'),
  });
  const [{ id = 0 } = {}] = await lacking();
  const values = floats(1, 2);
  const wrong = { op: 'vectors' as const, collection: 'notes', embedding, passages: [id], values };
  expect(await service.addVectors(wrong)).toMatchObject({
    message: expect.stringContaining('expected 3 values'),
  });
  await give({});
  const again = { op: 'embed', collection: 'notes', embedding: other, again: true } as const;
  expect(await service.embedBy(again)).toEqual({ embedding: other, lacking: 1 });
});

it('tells what has no vector in answers that a task holds, of whatever it is written in', async () => {
  const line = '語'.repeat(1900);
  const texts = Object.fromEntries(
    Array.from({ length: 9 }, (_, n) => [`${n}.md`, `# ${'t'.repeat(400)}\n\n${line}`]),
  );
  await sync(texts);
  await service.embedBy({ op: 'embed', collection: 'notes', embedding });
  const seen: number[] = [];
  for (let after = 0; ; ) {
    const answer = await service.unembedded('notes', after, maxBytes);
    if ('code' in answer) throw new Error(answer.message);
    expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThanOrEqual(maxBytes);
    if (answer.passages.length === 0) break;
    for (const { id } of answer.passages) seen.push(id);
    after = seen.at(-1) ?? 0;
  }
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen.length).toBeGreaterThanOrEqual(9);
});

it('is as it was when it is opened again, with however little memory', async () => {
  await sync({ 'a.md': 'A walrus dives.' });
  await service.embedBy({ op: 'embed', collection: 'notes', embedding });
  await give({});
  for (const memoryBytes of [undefined, 16 * 1024 ** 2]) {
    await service.close();
    service = await RetrievalService.open(join(folder, 'kept'), memoryBytes);
    expect((await asked('nothing', [0, 0, 1])).results).toHaveLength(1);
  }
  expect((await readFile(join(folder, 'kept', 'passages.sqlite'))).byteLength).toBeGreaterThan(0);
});
