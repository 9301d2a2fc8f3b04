/** What collections are made of beside files and folders: stdin, revisions of a repository, the web, and what is watched. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, queryCollection } from '@gryphgen/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Repository } from '../../packages/cli/src/rag/made-repository.fixture.ts';
import { WebServer } from '../../packages/client/src/download/web-server.fixture.ts';
import { pdfBomb } from '../../packages/retrieval/src/parse/made-documents.fixture.ts';
import { GridFixture, gridCommand } from './cli-grid.fixture.ts';

interface Result {
  readonly source: string;
  readonly revision?: string;
}

interface Synced {
  readonly added: number;
  readonly failed: readonly { readonly path: string; readonly cause: string }[];
}

const MiB = 2 ** 20;
const grid = new GridFixture();
const folder = join(grid.home, 'code');
const docs = join(grid.home, 'docs');
const asked = async (text: string) =>
  (await grid.json<{ results: Result[] }>('rag', 'query', 'all', text)).results.map(
    ({ source, revision }) => ({
      source,
      ...(revision !== undefined && { revision }),
    }),
  );

beforeAll(async () => {
  const { code, stderr } = await grid.grid('up', '--detach');
  if (code !== 0) throw new Error(stderr);
  mkdirSync(docs);
});
afterAll(() => grid.stop());

it('a revision is cited by its commit, and followed by name', async () => {
  const repository = new Repository(folder);
  writeFileSync(join(folder, 'a.md'), 'A walrus swims.');
  const first = repository.commit('first');
  writeFileSync(join(folder, 'a.md'), 'What nobody committed: a pelican.');
  expect((await grid.grid('rag', 'add', 'all', 'code@main')).stdout).toContain('1 added');
  const source = `git+file://${folder}@main/a.md`;
  expect(await asked('walrus')).toEqual([{ source, revision: first }]);
  expect(await asked('pelican')).toEqual([]);
  const second = repository.commit('second');
  expect((await grid.grid('rag', 'sync', 'all')).stdout).toContain('1 changed');
  expect(await asked('pelican')).toEqual([{ source, revision: second }]);
  const bad = await grid.grid('rag', 'add', 'all', 'code@none');
  expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('has no revision none')]);
  expect((await grid.grid('rag', 'rm', 'all', `git+file://${folder}@main`)).stdout).toBe('1 file removed\n');
});

it('stdin is a file of the name that it is given', async () => {
  const args = [gridCommand, 'rag', 'add', 'all', '-', '--name', 'today.md'];
  const input = '# Today\n\nAn ocelot sleeps.\n';
  execFileSync(process.execPath, args, { env: grid.env, cwd: grid.home, input, stdio: 'pipe' });
  expect(await asked('ocelot')).toEqual([{ source: 'stdin:today.md' }]);
  expect(await asked('today.md')).toEqual([{ source: 'stdin:today.md' }]);
  const nameless = await grid.grid('rag', 'add', 'all', '-');
  expect([nameless.code, nameless.stderr]).toEqual([2, expect.stringContaining('--name gives it one')]);
  expect((await grid.grid('rag', 'sync', 'all')).code).toBe(3);
});

it('a document of the web is followed by its ETag, and gone when it is there no more', async () => {
  const server = await WebServer.open();
  try {
    const pages = ['A puffin dives.', 'A gannet dives.'].map((text) => `<html><p>${text}</p></html>`);
    server.answer = ({ headers }, response) => {
      const isFirst = headers['if-none-match'] === undefined;
      response
        .writeHead(200, { etag: isFirst ? '"one"' : '"two"', 'content-type': 'text/html' })
        .end(pages[isFirst ? 0 : 1]);
    };
    const source = server.url('/birds').href;
    expect((await grid.grid('rag', 'add', 'all', `${source}#top`)).stdout).toContain('1 added');
    expect(await asked('puffin')).toEqual([{ source }]);
    await grid.grid('rag', 'sync', 'all');
    expect(await asked('gannet')).toEqual([{ source }]);
    server.answer = (_, response) => void response.writeHead(410).end();
    expect((await grid.grid('rag', 'sync', 'all')).stdout).toContain('1 removed');
    expect(server.asked.map(({ headers }) => headers['if-none-match'])).toEqual([
      undefined,
      '"one"',
      '"two"',
    ]);
  } finally {
    await server.close();
  }
});

it('a watched folder is followed until Ctrl-C, and what is too large is named and not brought', async () => {
  writeFileSync(join(docs, 'a.md'), 'A heron stands.');
  writeFileSync(join(docs, 'huge.txt'), '');
  truncateSync(join(docs, 'huge.txt'), 2 * 1024 ** 3);
  const added = await grid.grid('rag', 'add', 'all', 'docs');
  expect(added.stdout).toContain('1 added');
  expect(added.stderr).toContain(`${docs}/huge.txt cannot be read: it has 2 GiB, over the limit of 64 MiB`);
  rmSync(join(docs, 'huge.txt'));
  const watching = grid.start('rag', 'sync', 'all', '--watch');
  await watching.said('0 added, 0 changed');
  writeFileSync(join(docs, 'b.md'), 'An egret stands.');
  await watching.said('1 added');
  expect(await asked('egret')).toEqual([{ source: join(docs, 'b.md') }]);
  rmSync(join(docs, 'a.md'));
  await watching.said('1 removed');
  expect(await asked('heron')).toEqual([]);
  watching.child.kill('SIGINT');
  expect((await watching.end()).code).toBe(0);
});

it('what is hostile is refused in words, file by file, and so is a question; what stands beside it is found', async () => {
  const hostile = join(grid.home, 'hostile');
  mkdirSync(hostile);
  const write = (name: string, content: string | Uint8Array) => writeFileSync(join(hostile, name), content);
  write('scripts.md', 'Морж плывёт к берегу.\n\nセイウチは海で泳ぐ。\n\nفقمة تسبح في البحر.\n');
  write('bomb.pdf', pdfBomb(600 * MiB));
  write('bytes.txt', Buffer.from([0xc3, 0x28, 0xff, 0xfe, 0x20, 0x80]));
  symlinkSync('.', join(hostile, 'loop'));
  symlinkSync('itself', join(hostile, 'itself'));
  const { sources } = await grid.json<{ sources: readonly Synced[] }>('rag', 'add', 'worst', 'hostile');
  expect(sources).toMatchObject([{ added: 1, failedFiles: 2 }]);
  expect(sources[0]?.failed).toEqual([
    { path: join(hostile, 'bomb.pdf'), cause: expect.stringMatching(/^reading it takes over /) },
    { path: join(hostile, 'bytes.txt'), cause: 'it is not valid UTF-8' },
  ]);
  const nothing = await grid.grid('rag', 'query', 'worst', '"*()^:-+{}[]~ && || !');
  expect(nothing).toMatchObject({ code: 0, stdout: 'there is no word in this that passages are found by\n' });

  const client = await connect({ home: grid.home });
  try {
    const query = (text: string) =>
      queryCollection(client, { collection: 'worst', text, count: 10, of: 'passages' });
    for (const text of ['морж', 'セイウチ', 'فقمة', 'морж '.repeat(20_000)])
      expect((await query(text)).results, text.slice(0, 10)).toHaveLength(1);
    for (const text of ['', '"'.repeat(100_000)]) expect((await query(text)).results).toEqual([]);
    await expect(query('x'.repeat(100_001))).rejects.toMatchObject({
      code: 'rejected.invalid',
      message: expect.stringContaining('100000'),
    });
  } finally {
    await client.close();
  }
});
