/** Retrieval as a user has it: the spawned `grid`, files that change, answers that follow. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { bringArtifact, type Client, ingested, ingestTask } from '@gryphgen/client';
import { type ArtifactRef, GridError, type IngestBody, type ShardDocument } from '@gryphgen/protocol';
import { scanPath } from '@gryphgen/runtime';
import { tinyBert, tinyLlama, writeGguf } from '@gryphgen/testkit';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { docxOf, paragraph, pdfOf } from '../../packages/retrieval/src/parse/made-documents.fixture.ts';
import { llamaProgram } from '../conformance/llama-program.ts';
import { GridFixture, Running } from './cli-grid.fixture.ts';
import { DaemonsFixture } from './daemons.fixture.ts';
import { filesIn } from './files-in.fixture.ts';

interface Answer {
  readonly results: readonly {
    readonly score: number;
    readonly source: string;
    readonly lines: string;
    readonly text: string;
    readonly terms: Readonly<Record<string, number>>;
  }[];
  readonly meaning?: { readonly model: string; readonly ms: number };
}

interface Synced {
  readonly vectors?: { readonly model: string; readonly made: number; readonly cut: number };
}

const grid = new GridFixture();
const docs = join(grid.home, 'docs');
const file = (name: string) => join(docs, name);

beforeAll(async () => {
  grid.env.GRID_LLAMA_SERVER = llamaProgram('llama-server');
  const { code, stderr } = await grid.grid('up', '--detach');
  if (code !== 0) throw new Error(stderr);
  mkdirSync(join(docs, 'code'), { recursive: true });
  mkdirSync(join(docs, '.git'), { recursive: true });
  writeFileSync(file('.git/notes.md'), '# Pelicans\n\nNobody looks here for pelicans.\n');
  writeFileSync(
    file('joining.md'),
    '# Joining\n\nA machine joins by a ticket.\n\n## Leaving\n\nA walrus leaves.\n',
  );
  writeFileSync(
    file('code/header.ts'),
    'import x from "x";\n\nexport function parseHttpHeader(line: string) {\n  return line.split(":");\n}\n',
  );
  writeFileSync(file('noise.md'), Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 7919) % 256)));
});
afterAll(() => grid.stop());

async function asked(text: string): Promise<Answer['results']> {
  const { code, stdout, stderr } = await grid.grid('rag', 'query', 'docs', text, '--json');
  if (code !== 0) throw new Error(stderr);
  return (JSON.parse(stdout) as Answer).results;
}

async function synced(): Promise<unknown> {
  const { code, stdout, stderr } = await grid.grid('rag', 'sync', 'docs', '--json');
  if (code !== 0) throw new Error(stderr);
  const { failed, failedFiles, machine, path, ...counts } = JSON.parse(stdout).sources[0];
  return counts;
}

describe('a collection', () => {
  it('answers with passages of the files that were added, and where they stand', async () => {
    const { stdout, stderr } = await grid.grid('rag', 'add', 'docs', 'docs', '--json');
    expect(JSON.parse(stdout).sources).toMatchObject([
      { path: docs, added: 2, changed: 0, unchanged: 0, removed: 0, failedFiles: 1 },
    ]);
    expect(stderr).toContain('noise.md cannot be read');
    const [first] = await asked('walrus');
    expect(first).toMatchObject({
      source: file('joining.md'),
      text: expect.stringContaining('A walrus leaves.'),
    });
    expect(first?.lines).toMatch(/^[0-9]+-[0-9]+$/);
    expect(first?.score).toBeGreaterThan(0);
    expect((await asked('parse http header'))[0]).toMatchObject({ source: file('code/header.ts') });
    expect((await asked('parseHttpHeader'))[0]).toMatchObject({ source: file('code/header.ts') });
    expect(await asked('pelicans')).toEqual([]);
    const people = await grid.grid('rag', 'query', 'docs', 'walrus');
    expect(people.stdout).toContain(`${file('joining.md')}:`);
  });

  it('follows what was changed, renamed and deleted, and answers of nothing that is gone', async () => {
    writeFileSync(file('joining.md'), '# Joining\n\nA machine joins by a ticket. An ocelot sleeps.\n');
    renameSync(file('code/header.ts'), file('code/fields.ts'));
    expect(await synced()).toEqual({ added: 1, changed: 1, unchanged: 0, removed: 1 });
    expect(await asked('walrus')).toEqual([]);
    expect((await asked('ocelot'))[0]).toMatchObject({ source: file('joining.md') });
    expect((await asked('parseHttpHeader')).map(({ source }) => source)).toEqual([file('code/fields.ts')]);
    rmSync(file('joining.md'));
    expect(await synced()).toEqual({ added: 0, changed: 0, unchanged: 1, removed: 1 });
    expect(await asked('ocelot')).toEqual([]);
    expect(await synced()).toEqual({ added: 0, changed: 0, unchanged: 1, removed: 0 });
  });

  it('is there again after a restart', async () => {
    await grid.grid('down');
    const { code, stderr } = await grid.grid('up', '--detach');
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect((await asked('parseHttpHeader'))[0]).toMatchObject({ source: file('code/fields.ts') });
    const { stdout } = await grid.grid('rag', 'ls', '--json');
    expect(JSON.parse(stdout).collections).toMatchObject([
      { name: 'docs', sources: [{ path: docs, files: 1 }] },
    ]);
  });

  it('is measured by queries and judgments', async () => {
    writeFileSync(join(grid.home, 'queries.tsv'), 'q1\tparseHttpHeader\nq2\tpelicans\n');
    writeFileSync(join(grid.home, 'qrels.trec'), 'q1 0 fields 1\nq2 0 notes 1\n');
    const args = ['--queries', 'queries.tsv', '--qrels', 'qrels.trec', '--json'];
    const { stdout } = await grid.grid('rag', 'eval', 'docs', ...args);
    expect(JSON.parse(stdout)).toEqual({ 'ndcg@10': 0.5, map: 0.5, mrr: 0.5, 'recall@100': 0.5, queries: 2 });
    writeFileSync(join(grid.home, 'queries.tsv'), 'q1 without a tab\n');
    const bad = await grid.grid('rag', 'eval', 'docs', ...args);
    expect([bad.code, bad.stderr]).toEqual([
      2,
      expect.stringContaining('queries.tsv:1: expected an id, a tab'),
    ]);
  });

  it('that is not there is told of, with the name that was meant', async () => {
    const near = await grid.grid('rag', 'query', 'dosc', 'walrus');
    expect([near.code, near.stderr]).toEqual([3, expect.stringContaining('did you mean docs?')]);
    const bad = await grid.grid('rag', 'add', 'My Docs', 'docs');
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('found "My Docs", expected')]);
    const nowhere = await grid.grid('rag', 'add', 'docs', 'nothing-here');
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining('nothing-here')]);
  });

  it('takes what people say of its answers', async () => {
    const about = ['rag', 'feedback', 'docs', '--query', 'http headers'];
    const said = await grid.grid(...about, `${file('code/fields.ts')}:3-5`, 'good', '--json');
    expect([said.stderr, said.code]).toEqual([expect.any(String), 0]);
    expect(JSON.parse(said.stdout)).toEqual({ feedback: 1, versions: [] });
    const { stdout } = await grid.grid('rag', 'weights', 'docs');
    expect(stdout).toBe('1 answer has feedback, nothing learned counts\n');
    const learned = await grid.grid('rag', 'weights', 'docs', '--learn', '--json');
    expect(JSON.parse(learned.stdout)).toMatchObject({ replay: { queries: 1, promoted: false } });
    const none = await grid.grid(...about, 'docs/none.md', 'good');
    expect([none.code, none.stderr]).toEqual([3, expect.stringContaining('there is no')]);
    const wrong = await grid.grid(...about, 'docs/none.md', 'fine');
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('expected good, used or bad')]);
  });

  it('has questions answered by a model, whose citations are looked up', async () => {
    const about = ['rag', 'ask', 'docs', 'What does parseHttpHeader return?'];
    const none = await grid.grid(...about);
    expect([none.code, none.stderr]).toEqual([3, expect.stringContaining('there is no model that writes')]);
    for (const [name, { metadata, tensors }] of [
      // Under the answer's grammar: that it is found, in a letter, in the first passage.
      ['tiny', tinyLlama({ favours: ['"', 't', '1', ']', '}'] })],
      ['rank', tinyBert('rerank')],
    ] as const) {
      await writeGguf(join(grid.home, `${name}.gguf`), metadata, tensors);
      const use = name === 'rank' ? ['--use', 'rerank'] : ['--ctx', '2048', '--slots', '1'];
      expect(await grid.grid('models', 'add', name, `${name}.gguf`, ...use)).toMatchObject({ code: 0 });
    }
    const source = file('code/fields.ts');
    const answer = await grid.json<{
      passages: readonly { tokens: number }[];
      budget: { frameTokens: number };
      tokens: { prompt: number };
    }>(...[...about, '--rerank', 'rank']);
    expect(answer).toMatchObject({
      ...{ answer: 't', found: true, supported: true, model: 'tiny', unknownCitations: [] },
      citations: [{ number: 1, source, lines: expect.stringMatching(/^[0-9]+-[0-9]+$/) }],
      // What stands before it is read too.
      passages: [
        { number: 1, source, lines: '1-1' },
        { number: 2, source, text: expect.stringContaining('line.split') },
      ],
      budget: { slotTokens: 2048, counted: 'by the model' },
      tasks: {
        query: expect.stringMatching(/^e/),
        count: expect.stringMatching(/^e/),
        rerank: expect.stringMatching(/^e/),
      },
    });
    // What was counted ahead is no less than what the whole prompt takes.
    const { passages, budget, tokens } = answer;
    const ahead = passages.reduce((sum, passage) => sum + passage.tokens, budget.frameTokens);
    expect(tokens.prompt).toBeLessThanOrEqual(ahead);
    const people = await grid.grid(...about, '-k', '2', '--budget', '400');
    expect(people.stderr).toContain('tiny reads 2 passages …');
    expect(people.stdout).toContain(`\n[1] ${source}:`);
    // What they cited is told to the collection, once: a good answer is there from before.
    const weights = () => grid.json<{ feedback: number }>('rag', 'weights', 'docs');
    await expect.poll(async () => (await weights()).feedback).toBe(2);
    const small = await grid.grid(...about, '--budget', '9');
    expect([small.code, small.stderr]).toEqual([2, expect.stringContaining('room for 9 of tiny')]);
    const far = await grid.grid('rag', 'ask', 'docs', 'Which pelicans?');
    expect([far.code, far.stdout]).toEqual([0, expect.stringMatching(/^not in the collection: no passage/)]);
    const ranked = await grid.grid('rag', 'query', 'docs', 'http header', '--rerank', 'rank', '--json');
    const [first] = (JSON.parse(ranked.stdout) as Answer).results;
    expect(first?.terms['(rerank)']).toBe(first?.score);
    // What they hold of a small machine is what the next sync waits for.
    for (const name of ['tiny', 'rank']) expect((await grid.grid('models', 'rm', name)).code).toBe(0);
  }, 120_000);

  it('forgets a subject, and finds nothing of it in any file', async () => {
    writeFileSync(
      file('people.docx'),
      docxOf(`${paragraph('Of Ada Lovelace.')}${paragraph('Of a walrus.')}`),
    );
    writeFileSync(file('sea.pdf'), pdfOf([[{ text: 'A walrus and Ada Lovelace.', size: 10, y: 700 }]]));
    expect(await synced()).toMatchObject({ added: 2 });
    const found = await grid.grid('rag', 'query', 'docs', 'lovelace');
    expect(found.stdout).toContain(`${file('sea.pdf')}:1-1 (page 1)`);
    const told = ['rag', 'feedback', 'docs', '--query', 'who is Ada Lovelace', 'docs/people.docx', 'good'];
    expect((await grid.grid(...told)).code).toBe(0);
    const { stdout, code } = await grid.grid('rag', 'forget', 'docs', 'ada lovelace', '--json');
    const { searched, ...counts } = JSON.parse(stdout);
    expect([code, counts]).toEqual([0, { passages: 2, files: 0, feedback: 1, elsewhere: [] }]);
    expect(searched.every((one: { found: number }) => one.found === 0)).toBe(true);
    expect(await asked('lovelace')).toEqual([]);
    // Nor is it in what the grid keeps of the tasks; the files themselves are kept as artifacts.
    const { GRID_HOME: home = '' } = grid.env;
    const kept = [...filesIn(home)].filter(
      ([path]) => !path.startsWith(docs) && !/artifact/.test(dirname(path)),
    );
    expect(kept.some(([path]) => path.endsWith('passages.sqlite'))).toBe(true);
    expect(kept.filter(([, text]) => /ada.?lovelace/i.test(text)).map(([path]) => path)).toEqual([]);
    const short = await grid.grid('rag', 'forget', 'docs', 'a');
    expect([short.code, short.stderr]).toEqual([2, expect.stringContaining('3 letters or digits')]);
  });

  it('is searched by meaning too, by a model of the grid', async () => {
    const { metadata, tensors } = tinyBert('embed');
    await writeGguf(join(grid.home, 'words.gguf'), metadata, tensors);
    const add = ['models', 'add', 'words', 'words.gguf'];
    const prefixes = { query: 'query: ', passage: '' };
    expect(await grid.json(...add, '--query-prefix', prefixes.query)).toMatchObject({ prefixes });
    mkdirSync(join(grid.home, 'sea'));
    writeFileSync(join(grid.home, 'sea/walrus.md'), 'A walrus dives for clams.\n');
    writeFileSync(join(grid.home, 'sea/pelican.md'), `A pelican fishes. ${'ж ц '.repeat(400)}\n`);
    const { vectors } = await grid.json<Synced>('rag', 'add', 'sea', 'sea', '--embed', 'words');
    expect(vectors).toEqual({ model: 'words', made: 2, cut: 1 });
    const both = await grid.json<Answer>('rag', 'query', 'sea', 'a walrus');
    expect(both.meaning?.model).toBe('words');
    expect(both.results[0]?.terms).toEqual({ walru: 1, '(meaning)': 1 });
    // No passage has this word: what is nearest is found by its vector.
    const near = await grid.json<Answer>('rag', 'query', 'sea', 'diving clam', '-k', '1');
    expect(near.results[0]).toMatchObject({ source: join(grid.home, 'sea/walrus.md') });
    const nothing = ['rag', 'query', 'sea', 'xylophone'];
    expect((await grid.json<Answer>(...nothing)).results).toHaveLength(2);
    expect((await grid.json<Answer>(...nothing, '--words')).results).toEqual([]);
    writeFileSync(join(grid.home, 'sea/ocelot.md'), 'An ocelot swims.\n');
    expect((await grid.json<Synced>('rag', 'sync', 'sea')).vectors).toEqual({
      model: 'words',
      made: 1,
      cut: 0,
    });
    expect((await grid.grid(...add)).code).toBe(0);
    expect((await grid.grid('rag', 'query', 'sea', 'walrus')).stderr).toContain('or other prefixes');
    expect((await grid.grid('rag', 'sync', 'sea', '--embed', 'words')).stderr).toContain('--again');
    expect((await grid.grid('models', 'rm', 'words')).code).toBe(0);
    const alone = await grid.grid('rag', 'query', 'sea', 'walrus');
    expect([alone.code, alone.stdout]).toEqual([0, expect.stringContaining('walrus.md')]);
    expect(alone.stderr).toContain(
      'found by words alone: the model words, which it has vectors by, is not there',
    );
  }, 120_000);

  it('is gone when it was removed', async () => {
    expect((await grid.grid('rag', 'rm', 'docs')).code).toBe(0);
    const { code } = await grid.grid('rag', 'query', 'docs', 'parseHttpHeader');
    expect(code).toBe(3);
  });
});

interface Parted extends Answer {
  readonly partial?: true;
  readonly missing?: readonly { readonly number: number; readonly machine: string }[];
}

test('in two shards, on two machines: one killed while it ingests, and away', {
  timeout: 180_000,
}, async () => {
  const machines = new DaemonsFixture();
  try {
    machines.prepare();
    const elsewhere = machines.enrolWorker('anvil');
    machines.daemon(['broker']);
    machines.daemon(['retrieval', '--name', 'forge']);
    const anvil = machines.daemon(['retrieval', '--name', 'anvil'], elsewhere);
    const client = await machines.client();
    const env = { ...machines.env, GRID_BROKER: machines.endpoint };
    const asked = async <T>(...args: string[]): Promise<T> => {
      const { stdout, stderr } = await new Running(args, env, machines.home).end();
      if (stdout === '') throw new Error(stderr);
      return JSON.parse(stdout) as T;
    };
    const folder = join(machines.home, 'notes');
    mkdirSync(folder);
    for (let at = 0; at < 40; at += 1)
      writeFileSync(
        join(folder, `${at}.md`),
        `# Note ${at}\n\n${'A walrus swims. '.repeat((at % 3) + 1)}Its number is ${at}.\n`,
      );
    await present(client, 2);
    const { shards } = await client.request('placeCollection', { name: 'notes', shards: 2 });
    expect(shards.map(({ workerName }) => workerName).sort()).toEqual(['anvil', 'forge']);
    const far = shards.findIndex(({ workerName }) => workerName === 'anvil');
    const found = await scanPath(folder);
    if ('code' in found) throw new Error(found.message);
    const { digest, bytes } = await brought(client, found);
    const source = { machine: 'here', path: folder };
    const inputs = [{ digest, bytes, to: '/in' }];
    const body: IngestBody = { op: 'sync', collection: 'notes', source, inputs };
    const near = client.submit(ingestTask(body, 1 - far));
    const awaited = ingestTask(body, far);
    const task = await new Promise<ReturnType<Client['submit']>>((resolve) => {
      const one = client.submit(awaited, { onChange: ({ state }) => state === 'running' && resolve(one) });
      void one.finished.finally(() => resolve(one));
    });
    await anvil.kill();
    anvil.start();
    const ended = ingested(await near.finished, await task.finished);
    expect(ended).toMatchObject({ added: 40, failedFiles: 0 });
    // The other has nothing to do with it yet: its copy is to come from here.
    const again = { ...body, collection: 'whole' };
    await client.request('drain', { node: 'forge', draining: true });
    await client.request('placeCollection', { name: 'whole' });
    await client.request('drain', { node: 'forge', draining: false });
    ingested(await client.submit(ingestTask(again)).finished);
    expect(await asked('rag', 'replicas', 'whole', '1', '--json')).toMatchObject({ replicas: 1 });

    const query = (name: string, ...flags: string[]) =>
      asked<Parted>('rag', 'query', name, 'walrus number 7', '-k', '20', '--json', ...flags);
    const parted = await query('notes');
    expect(parted.results).toHaveLength(20);
    expect(parted).toEqual(await query('whole'));
    await shardOnce(client, ({ version = 0, copies = [] }) =>
      copies.some((copy) => version > 0 && copy.version === version),
    );
    await anvil.kill();
    const partial = await query('notes', '--deadline', '6s');
    expect(partial).toMatchObject({ partial: true, missing: [{ number: far + 1, machine: 'anvil' }] });
    expect(partial.results.length).toBeGreaterThan(0);

    // A copy answers while its owner is away, and takes its place when that machine is gone for good.
    expect(await query('whole')).toEqual(parted);
    await client.request('removeNode', { node: 'anvil' });
    const promoted = await shardOnce(client, ({ epoch }) => epoch > 1);
    expect(promoted).toMatchObject({ workerName: 'forge', epoch: 2, copies: [] });
    expect(promoted.lost).toBeUndefined();
    const late = ingested(await client.submit(ingestTask(again)).finished);
    expect(late).toMatchObject({ added: 0, unchanged: 40 });
  } finally {
    await machines.stop();
  }
  expect(machines.deaths).toEqual([]);
});

/** The store beside the broker comes up by itself, after it. */
async function brought(client: Client, found: Parameters<typeof bringArtifact>[1]): Promise<ArtifactRef> {
  for (;;) {
    try {
      return await bringArtifact(client, found);
    } catch (error) {
      if (!(error instanceof GridError) || error.code !== 'lost.broker') throw error;
      await pause(100);
    }
  }
}

/** The only shard of `whole`, when it is so; nothing tells of it, so it is asked for again and again. */
async function shardOnce(client: Client, isSo: (shard: ShardDocument) => boolean): Promise<ShardDocument> {
  for (;;) {
    const [found] = await client.request('collections', { name: 'whole' });
    const [shard] = found?.shards ?? [];
    if (shard !== undefined && isSo(shard)) return shard;
    await pause(100);
  }
}

/** So many machines with retrieval are connected; each question is one round to the broker. */
async function present(client: Client, count: number): Promise<void> {
  for (;;) {
    const nodes = await client.request('nodes', {});
    const ready = nodes.filter(
      ({ state, report }) => state === 'ready' && report?.capabilities.includes('ingest'),
    );
    if (ready.length === count) return;
    await pause(100);
  }
}
