/** SYMORG's service over its real store and its threads: what is in collections follows the files, whatever happens. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RetrievalService, type SourceFile } from '@gryphgen/retrieval';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const docs = { machine: 'forge', path: '/home/ann/docs' };
const maxBytes = 16_000;
let folder: string;
let service: RetrievalService;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-retrieval-'));
  await mkdir(join(folder, 'files'));
  service = await RetrievalService.open(join(folder, 'kept'));
});
afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true });
});

async function filesOf(texts: Readonly<Record<string, string | Buffer>>): Promise<SourceFile[]> {
  return Promise.all(
    Object.entries(texts).map(async ([path, text]) => {
      const hash = createHash('sha256').update(text).digest('hex');
      const at = join(folder, 'files', hash);
      await writeFile(at, text);
      return { path, bytes: text.length, hash, at };
    }),
  );
}

async function sync(texts: Readonly<Record<string, string | Buffer>>, source = docs, signal = never) {
  return await service.sync('notes', source, await filesOf(texts), { signal, tell: () => undefined });
}
const never = new AbortController().signal;

async function found(text: string): Promise<readonly string[]> {
  const answer = await service.query(
    { op: 'query', collection: 'notes', text, count: 10, of: 'files' },
    maxBytes,
  );
  if ('code' in answer) throw new Error(answer.message);
  return answer.results.map(({ source }) => source);
}

/** The next life of the service. */
async function reopen(): Promise<void> {
  await service.close();
  service = await RetrievalService.open(join(folder, 'kept'));
}

describe('a source', () => {
  it('is what its last sync brought', async () => {
    expect(await sync({ 'a.md': 'A walrus.', 'b.md': 'An ocelot.' })).toMatchObject({ added: 2, removed: 0 });
    expect(await sync({ 'a.md': 'A pelican.', 'c.md': 'An ocelot.' })).toMatchObject({
      ...{ added: 1, changed: 1, unchanged: 0, removed: 1 },
    });
    expect([await found('walrus'), await found('ocelot'), await found('pelican')]).toEqual([
      [],
      ['/home/ann/docs/c.md'],
      ['/home/ann/docs/a.md'],
    ]);
    await reopen();
    expect(await found('pelican')).toEqual(['/home/ann/docs/a.md']);
    expect(await sync({ 'a.md': 'A pelican.', 'c.md': 'An ocelot.' })).toMatchObject({ unchanged: 2 });
  });

  it('whose file cannot be read says why, answers nothing of what that was before, and tries it again', async () => {
    await sync({ 'a.md': 'A walrus.' });
    const noise = Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 7919) % 256));
    expect(await sync({ 'a.md': noise })).toMatchObject({
      failedFiles: 1,
      failed: [{ path: '/home/ann/docs/a.md', cause: expect.any(String) }],
    });
    expect(await found('walrus')).toEqual([]);
    expect(await sync({ 'a.md': noise })).toMatchObject({ failedFiles: 1, unchanged: 0 });
    expect(await sync({ 'a.md': 'A walrus again.' })).toMatchObject({ changed: 1, failedFiles: 0 });
    expect(await found('walrus')).toEqual(['/home/ann/docs/a.md']);
  });

  it('of which many files cannot be read names the first, and each of them when it is asked', async () => {
    const names = Array.from({ length: 30 }, (_, at) => `${String(at).padStart(2, '0')}-${'n'.repeat(60)}`);
    const files = Object.fromEntries(names.map((name) => [`${name}.txt`, Buffer.of(0, 1, 0, 2)]));
    const synced = await sync({ ...files, 'a.md': 'A walrus.' });
    expect(synced).toMatchObject({ failedFiles: 30, failed: { length: 20 } });
    const told: string[] = [];
    while (told.length < 30) {
      const body = { op: 'failed', collection: 'notes', skip: told.length } as const;
      const page = await service.failed(body, 1500);
      if ('code' in page) throw new Error(page.message);
      expect(page.total).toBe(30);
      expect(page.failed.length).toBeGreaterThan(0);
      expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThanOrEqual(1500);
      for (const { machine, path, cause } of page.failed) {
        expect([machine, cause]).toEqual(['forge', expect.stringContaining('binary')]);
        told.push(path);
      }
    }
    expect(told).toEqual(names.map((name) => `/home/ann/docs/${name}.txt`));
  });

  it('whose sync was stopped is gone on with by the next', async () => {
    const texts = { 'a.md': 'A walrus.', 'b.md': 'An ocelot.' };
    expect(await sync(texts, docs, AbortSignal.abort())).toMatchObject({ code: 'cancelled.user' });
    expect(service.names).toEqual(['notes']);
    expect(await sync(texts)).toMatchObject({ added: 2 });
  });

  it('stands beside others: of another machine, and with a longer name', async () => {
    await sync({ 'a.md': 'A walrus.' });
    await sync({ 'a.md': 'A walrus, too.' }, { machine: 'anvil', path: docs.path });
    await sync({ 'a.md': 'One more walrus.' }, { machine: 'forge', path: `${docs.path}-old` });
    expect(await sync({})).toMatchObject({ removed: 1 });
    expect([...(await found('walrus'))].sort()).toEqual([`${docs.path}-old/a.md`, `${docs.path}/a.md`]);
    expect(await service.list(maxBytes)).toMatchObject({
      collections: [{ name: 'notes', sources: [{ files: 0 }, { machine: 'anvil', files: 1 }, { files: 1 }] }],
    });
  });
});

describe('a document of the web', () => {
  it('is one file, read as what it is called, also where the address of another goes on from its own', async () => {
    const web = (path: string) => ({ machine: 'forge', path: `https://host${path}` });
    const bring = async (path: string, text: string, file: string) =>
      await service.sync('notes', web(path), await filesOf({ '': text }), {
        signal: never,
        tell: () => undefined,
        file,
      });
    expect(await bring('/docs?page=1', '<h1>Sea</h1><p>A walrus.</p>', 'docs.html')).toMatchObject({
      added: 1,
    });
    expect(await bring('/docs?page=1/more', '# Sea\n\nAn ocelot.', 'more.md')).toMatchObject({ added: 1 });
    expect(await bring('/docs?page=1', '<h1>Sea</h1><p>A pelican.</p>', 'docs.html')).toMatchObject({
      changed: 1,
      removed: 0,
    });
    expect([await found('walrus'), await found('ocelot'), await found('pelican')]).toEqual([
      [],
      ['https://host/docs?page=1/more'],
      ['https://host/docs?page=1'],
    ]);
    const query = { op: 'query', collection: 'notes', text: 'pelican', count: 1, of: 'passages' } as const;
    expect(await service.query(query, maxBytes)).toMatchObject({
      results: [{ text: 'Sea\nA pelican.', title: 'Sea' }],
    });
    expect(await service.remove('notes', web('/docs?page=1'))).toMatchObject({ removed: 1 });
    expect(await found('ocelot')).toHaveLength(1);
  });
});

describe('removing', () => {
  it('takes a source, and with the last of them the collection', async () => {
    const old = { machine: 'forge', path: '/old' };
    await sync({ 'a.md': 'A walrus.' });
    await sync({ 'b.md': 'A walrus.' }, old);
    expect(await service.remove('notes', old)).toMatchObject({ removed: 1 });
    expect(await found('walrus')).toEqual(['/home/ann/docs/a.md']);
    expect(await service.remove('notes', old)).toMatchObject({ code: 'rejected.not-found' });
    expect(await service.remove('notes', docs)).toMatchObject({ removed: 1 });
    expect(service.names).toEqual([]);
  });
});

it('passages come with where they stand and what their score is made of', async () => {
  await sync({ 'a.md': '# Animals\n\nNothing yet.\n\n## Sea\n\nA walrus swims.\n' });
  const query = { op: 'query', collection: 'notes', text: 'swims walrus', count: 1, of: 'passages' } as const;
  expect(await service.query(query, maxBytes)).toMatchObject({
    cut: false,
    results: [
      { machine: 'forge', source: '/home/ann/docs/a.md', text: expect.stringContaining('A walrus swims.') },
    ],
  });
  const { results } = (await service.query(query, maxBytes)) as {
    results: { terms: object; score: number }[];
  };
  expect(Object.keys(results[0]?.terms ?? {})).toHaveLength(2);
});

it('distinct passages: no near copy, and other files before the fourth of one', async () => {
  const about = (n: number) =>
    `## Part ${n}\n\nA walrus swims: ${'abcdefgh'
      .slice(0, n + 1)
      .split('')
      .join(`${n} `)}.\n`;
  const long = Array.from({ length: 40 }, (_, n) => `word${n}`).join(' ');
  await sync({
    'many.md': `# Walrus\n\n${[1, 2, 3, 4, 5].map((n) => `${about(n)}\n${`filler${n} `.repeat(200)}\n`).join('\n')}`,
    'one.md': `Of a walrus, among others: ${long}.`,
    'copy.md': `Of a walrus, among others: ${long}, now.`,
  });
  const query = { op: 'query', collection: 'notes', text: 'walrus', count: 50, of: 'passages' } as const;
  const sources = async (more: { distinct?: true }) => {
    const answer = await service.query({ ...query, ...more }, 1024 ** 2);
    return 'code' in answer ? [] : answer.results.map(({ source }) => source.replace('/home/ann/docs/', ''));
  };
  const [every, distinct] = [await sources({}), await sources({ distinct: true })];
  expect(every.filter((one) => one === 'many.md').length).toBeGreaterThan(3);
  expect(every).toEqual(expect.arrayContaining(['one.md', 'copy.md']));
  expect(distinct).toHaveLength(every.length - 1);
  expect(distinct.slice(0, 4).filter((one) => one === 'many.md')).toHaveLength(3);
});

it('passages come with what stands beside them, each in one place, as far as there is room', async () => {
  const part = (n: number, word: string) => `## Part ${n}\n\n${word} ${`filler${n} `.repeat(100)}\n`;
  const words = ['one', 'walrus', 'three', 'walrus', 'five', 'six'];
  await sync({ 'a.md': `# A\n\n${words.map((word, at) => part(at, word)).join('\n')}` });
  const query = { op: 'query', collection: 'notes', text: 'walrus', count: 9, of: 'passages' } as const;
  const beside = async (bytes: number) => {
    const answer = await service.query({ ...query, around: 1 }, bytes);
    if ('code' in answer) throw new Error(answer.message);
    expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThanOrEqual(bytes);
    return answer.results.map(({ around = [] }) => around.map(({ title }) => title));
  };
  expect((await beside(maxBytes * 10)).flat().sort()).toEqual(['Part 0', 'Part 2', 'Part 4']);
  const plain = await service.query(query, maxBytes * 10);
  const room = async (bytes: number) => (await beside(JSON.stringify(plain).length + bytes)).flat().length;
  expect([await room(200), await room(1300), await room(2000)]).toEqual([0, 1, 2]);
});

it('a collection that is not there is not found, and more than a worker can tell of are refused', async () => {
  const query = { op: 'query', collection: 'notes', text: 'walrus', count: 1, of: 'files' } as const;
  expect(await service.query(query, maxBytes)).toMatchObject({ code: 'rejected.not-found' });
  const ingesting = { signal: never, tell: () => undefined };
  for (let at = 0; at < 32; at += 1) await service.sync(`c${at}`, docs, [], ingesting);
  expect(await service.sync('one-more', docs, [], ingesting)).toMatchObject({ code: 'rejected.limit' });
  expect(await service.sync('c1', docs, [], ingesting)).toMatchObject({ added: 0 });
});

it('a folder whose list of sources is damaged is not opened as an empty one', async () => {
  await sync({ 'a.md': 'A walrus.' });
  await writeFile(join(folder, 'kept/roots.json'), '{"version":2}');
  await expect(RetrievalService.open(join(folder, 'kept'))).rejects.toThrow(
    'is damaged, or of a later version',
  );
});
