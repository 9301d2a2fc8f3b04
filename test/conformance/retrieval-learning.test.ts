/** What people say of answers, and what they want forgotten, through the service and its real store. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Failure, QueryResult, Verdict } from '@gryphgen/protocol';
import { RetrievalService } from '@gryphgen/retrieval';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const docs = { machine: 'forge', path: '/docs' };
const ingesting = { signal: new AbortController().signal, tell: () => undefined };
let folder: string;
let service: RetrievalService;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-learning-'));
  await mkdir(join(folder, 'files'));
  service = await RetrievalService.open(join(folder, 'kept'));
});
afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true });
});

async function sync(
  collection: string,
  texts: Readonly<Record<string, string>>,
  source = docs,
): Promise<void> {
  const files = await Promise.all(
    Object.entries(texts).map(async ([path, text]) => {
      const hash = createHash('sha256').update(text).digest('hex');
      const at = join(folder, 'files', hash);
      await writeFile(at, text);
      return { path, bytes: text.length, hash, at };
    }),
  );
  expect(await service.sync(collection, source, files, ingesting)).toMatchObject({ failedFiles: 0 });
}

function done<T extends object>(answer: T | Failure): T {
  if ('code' in answer) throw new Error(answer.message);
  return answer as T;
}

async function asked(text: string, collection = 'notes'): Promise<QueryResult['results']> {
  const query = { op: 'query', collection, text, count: 10, of: 'passages' } as const;
  return done<QueryResult>(await service.query(query, 100_000)).results;
}

const say = async (text: string, path: string, verdict: Verdict) =>
  done(await service.feedback({ op: 'feedback', collection: 'notes', text, path, verdict }));
const order = async (change: { kind: 'learn' } | { kind: 'revert'; version?: number }) =>
  done(await service.weights({ op: 'weights', collection: 'notes', change }));
const first = async (text: string) => (await asked(text))[0]?.source;

/** Files that a query with a topic finds alike, of which people want another than the words do. */
async function topics(): Promise<void> {
  const about = (at: number) => `A note on all topics: topic0 topic1 topic2 topic3 and number${at}.`;
  await sync('notes', Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`n${at}.md`, about(at)])));
}
const wanted = (topic: number) => `/docs/n${topic + 2}.md`;

describe('feedback', () => {
  it('counts when it helps queries that it was not given for, is explained, and can be taken back', async () => {
    await topics();
    const before = await first('topic3 unheard');
    let learned = await say('topic0 query0', wanted(0), 'good');
    expect(learned).toEqual({ feedback: 1, versions: [] });
    for (let at = 1; at < 20; at += 1)
      learned = await say(`topic${at % 4} query${at}`, wanted(at % 4), 'good');
    expect(learned).toMatchObject({
      feedback: 20,
      replay: { queries: 20, promoted: true, after: 1 },
      versions: [{ version: 1, queries: 20, after: 1 }],
    });
    expect(learned.replay?.before).toBeLessThan(0.6);
    // What answers no better than what is in force stays out.
    for (let at = 20; at < 30; at += 1)
      learned = await say(`topic${at % 4} query${at}`, wanted(at % 4), 'good');
    expect(learned).toMatchObject({
      replay: { queries: 30, promoted: false, inForce: 1 },
      versions: [{ version: 1 }],
    });
    const [best] = await asked('topic3 unheard');
    expect(best?.source).toBe(wanted(3));
    const { '(feedback)': added = 0, ...words } = best?.terms ?? {};
    expect(added).toBeGreaterThan(0);
    const sum = Object.values(words).reduce((all, one) => all + one, added);
    expect(best?.score).toBeCloseTo(sum, 3);

    expect(await order({ kind: 'revert', version: 0 })).toMatchObject({
      versions: [{ strength: 0, like: 0 }, {}],
    });
    expect(await first('topic3 unheard')).toBe(before);
    await order({ kind: 'revert', version: 1 });
    expect(await first('topic3 unheard')).toBe(wanted(3));
    await service.close();
    service = await RetrievalService.open(join(folder, 'kept'));
    expect(await first('topic3 unheard')).toBe(wanted(3));
    expect(await order({ kind: 'revert' })).toMatchObject({
      versions: [{ version: 4, like: 0 }, {}, {}, {}],
    });
  });

  it('that helps nobody else changes nothing; nor does what names a file as a whole', async () => {
    await topics();
    for (let at = 0; at < 30; at += 1)
      await say(`topic${at % 4} q${at}`, `/docs/n${(at * at * 7 + (at >> 2)) % 6}.md`, 'good');
    expect(await order({ kind: 'learn' })).toMatchObject({ versions: [], replay: { promoted: false } });
    for (let at = 0; at < 40; at += 1) await say(`topic${at % 4} w${at}`, wanted(at % 4), 'good');
    expect(await first('n0.md')).toBe('/docs/n0.md');
  });

  it('of what was merely used is one word for a query and a file, and none beside what a person said', async () => {
    await topics();
    expect(await say('topic0', wanted(0), 'used')).toMatchObject({ feedback: 1 });
    expect(await say('topic0', wanted(0), 'used')).toMatchObject({ feedback: 1 });
    expect(await say('topic0', wanted(0), 'bad')).toMatchObject({ feedback: 2 });
    expect(await say('topic0', wanted(0), 'used')).toMatchObject({ feedback: 2 });
    for (let at = 1; at < 20; at += 1)
      expect((await say(`topic${at % 4} query${at}`, wanted(at % 4), 'used')).replay).toBeUndefined();
  });

  it('is on files that are there', async () => {
    await topics();
    const about = { op: 'feedback', collection: 'notes', text: 'x', verdict: 'bad' } as const;
    expect(await service.feedback({ ...about, path: '/docs/gone.md' })).toMatchObject({
      code: 'rejected.not-found',
    });
    expect(await service.feedback({ ...about, collection: 'none', path: '/docs/n1.md' })).toMatchObject({
      code: 'rejected.not-found',
    });
    await sync('notes', { 'n1.md': 'the same path' }, { machine: 'anvil', path: '/docs' });
    expect(await service.feedback({ ...about, path: '/docs/n1.md' })).toMatchObject({
      code: 'rejected.invalid',
      message: '/docs/n1.md is of several machines, expected one of anvil, forge',
    });
    const meant = { ...about, path: '/docs/n1.md', machine: 'anvil' };
    expect(await service.feedback(meant)).toMatchObject({ feedback: 1 });
    expect(await service.learned('notes')).toEqual({ feedback: 1, versions: [] });
    expect(
      await service.weights({ op: 'weights', collection: 'notes', change: { kind: 'revert', version: 7 } }),
    ).toMatchObject({
      code: 'rejected.not-found',
    });
  });
});

describe('forgetting', () => {
  it('takes a subject out of every index and file, and leaves the rest as it was', async () => {
    const long = 'Nothing of note happens here. '.repeat(60);
    await sync('notes', {
      'a.md': `# People\n\nAda Lovelace wrote it.\n\n## Else\n\n${long}\n\n## Ada\n\nLOVELACE, ADA. ada.lovelace@example.com\n`,
      'b.ts': 'export function adaLovelaceKey() {\n  return 1;\n}\n',
      'ada_lovelace.md': 'A file about a walrus.',
      'c.md': 'A walrus swims.',
    });
    await say('who is ada lovelace', '/docs/a.md', 'good');
    await say('walrus', '/docs/c.md', 'good');
    const forgotten = done(await service.forget('notes', 'Ada  lovelace'));
    // Its two writings, the function, and the file of its name.
    expect(forgotten).toMatchObject({ files: 1, feedback: 1, elsewhere: [] });
    expect(forgotten.passages).toBeGreaterThanOrEqual(3);
    expect(forgotten.searched.map(({ file }) => file)).toEqual(
      expect.arrayContaining(['passages.sqlite', 'passages.sqlite-wal', 'roots.json']),
    );
    expect(forgotten.searched.reduce((sum, { found }) => sum + found, 0)).toBe(0);
    for (const name of ['passages.sqlite', 'passages.sqlite-wal'])
      expect((await readFile(join(folder, 'kept', name))).toString('latin1')).not.toMatch(
        /ada.{0,3}lovelace/i,
      );
    expect(await asked('lovelace key')).toEqual([]);
    expect(await first('nothing of note')).toBe('/docs/a.md');
    expect((await asked('walrus')).map(({ source }) => source)).toEqual(['/docs/c.md']);
    expect(await service.learned('notes')).toMatchObject({ feedback: 1 });
  });

  it('says where else it is', async () => {
    await sync('notes', { 'a.md': 'Ada Lovelace' });
    await sync('others', { 'a.md': 'Ada Lovelace' });
    const { searched, elsewhere } = done(await service.forget('notes', 'ada lovelace'));
    expect(elsewhere).toEqual([{ collection: 'others', passages: 1 }]);
    expect(searched.reduce((sum, { found }) => sum + found, 0)).toBeGreaterThan(0);
    expect(await asked('lovelace', 'others')).toHaveLength(1);
    done(await service.forget('others', 'ada lovelace'));
    expect(await service.forget('notes', 'Ad')).toMatchObject({ code: 'rejected.invalid' });
  });
});
