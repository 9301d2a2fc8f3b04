/** Files given to tasks and left by them, as a user has them: the spawned `grid`, a real engine. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';

interface Document {
  readonly id: string;
  readonly outputs?: readonly { path: string; digest: string; bytes: number; copied: boolean }[];
  readonly failure?: { readonly code: string; readonly message: string };
}

const grid = new GridFixture();
const image = ['--image', 'gryphgen-test:latest'];
beforeAll(async () => {
  const { code, stderr } = await grid.grid('up', '--detach');
  if (code !== 0) throw new Error(stderr);
});
afterAll(() => grid.stop());

/** The document of its end. */
async function submitted(...task: string[]): Promise<Document> {
  const { stdout, stderr } = await grid.grid('submit', '--wait', '--json', ...task);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Document;
}

describe('a container', () => {
  it('is given a folder, read-only, and what it leaves is had by who asks', async () => {
    const data = join(grid.home, 'data');
    mkdirSync(join(data, 'sub'), { recursive: true });
    writeFileSync(join(data, 'sub/run'), '#!/bin/sh\necho it runs\n', { mode: 0o755 });
    symlinkSync('sub/run', join(data, 'link'));
    const script = '/in/data/link > /out/said; (: > /in/data/new) 2>/dev/null || cp -r /in/data /out/copy';
    const task = [
      '--in',
      'data',
      '--out',
      '/out/said',
      '--out',
      '/out/copy',
      '--wait',
      '--',
      'sh',
      '-c',
      script,
    ];
    const { id, outputs, failure } = await submitted(...image, ...task);
    expect(failure).toBeUndefined();
    expect(outputs?.map(({ path, copied }) => [path, copied])).toEqual([
      ['/out/said', true],
      ['/out/copy', true],
    ]);
    const { code } = await grid.grid('get', id, '-o', 'got');
    expect(code).toBe(0);
    expect(readFileSync(join(grid.home, 'got/said'), 'utf8')).toBe('it runs\n');
    expect(readFileSync(join(grid.home, 'got/copy/link'), 'utf8')).toContain('echo it runs');
    const again = await grid.grid('get', id, '/out/said', '-o', 'got');
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('is there already')]);
  });

  it('that does not leave what it was to leave has failed', async () => {
    const task = ['--out', '/out/x', '--', 'true'];
    const { id, failure } = await submitted(...image, ...task);
    expect(failure).toEqual({
      code: 'execution.output',
      message: 'its output /out/x cannot be kept: the task has not left it',
    });
    const { code, stderr } = await grid.grid('get', id);
    expect([code, stderr]).toEqual([3, expect.stringContaining('it has failed')]);
  });
});

it('a process has copies of its own, and what it leaves is kept', async () => {
  writeFileSync(join(grid.home, 'numbers'), '1\n2\n3\n');
  const script = 'echo 4 >> in/numbers; cp in/numbers out/more';
  const task = ['--in', 'numbers', '--out', '/out/more', '--', 'sh', '-c', script];
  const { id, failure } = await submitted(...task);
  expect(failure).toBeUndefined();
  await grid.grid('get', id, '-o', 'of-process');
  expect(readFileSync(join(grid.home, 'of-process/more'), 'utf8')).toBe('1\n2\n3\n4\n');
  expect(readFileSync(join(grid.home, 'numbers'), 'utf8')).toBe('1\n2\n3\n');
});
