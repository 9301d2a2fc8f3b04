/** What collections are made of beside files and folders: stdin, revisions of a repository, the web, and what is watched. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Repository } from '../../packages/cli/src/rag/made-repository.fixture.ts';
import { WebServer } from '../../packages/client/src/download/web-server.fixture.ts';
import { GridFixture, gridCommand } from './cli-grid.fixture.ts';

interface Result {
  readonly source: string;
  readonly revision?: string;
}

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
