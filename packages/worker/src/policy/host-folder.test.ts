import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { policyProblems } from './check-policy.ts';
import { defaultPolicy } from './container-policy.ts';
import { type Forbidden, forbiddenFolders, lookAtFolder } from './host-folder.ts';

let folder: string;
let forbidden: readonly Forbidden[];
const at = (...parts: string[]) => join(folder, ...parts);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gg-folder-'));
  for (const name of ['home/keys', 'run/user', 'data/in']) mkdirSync(at(name), { recursive: true });
  writeFileSync(at('run/docker.sock'), '');
  writeFileSync(at('file'), '');
  symlinkSync('/', at('all'));
  symlinkSync(at('run'), at('engine'));
  symlinkSync(at('home'), at('mine'));
  symlinkSync(at('data'), at('alias'));
  forbidden = await forbiddenFolders(at('mine'), [at('engine/docker.sock')]);
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a folder of the machine', () => {
  it('may be mounted by the path behind its links', async () => {
    expect(await lookAtFolder(at('data'), forbidden)).toEqual({ kind: 'there', path: at('data') });
    expect(await lookAtFolder(at('alias/in'), forbidden)).toEqual({ kind: 'there', path: at('data/in') });
    expect(await lookAtFolder(at('run/user'), forbidden)).toMatchObject({ kind: 'there' });
  });

  it.each([
    ['/', 'the whole machine'],
    ['all', 'the whole machine'],
    ['', 'who has it is root'],
    ['run', 'who has it is root'],
    ['engine', 'who has it is root'],
    ['run/docker.sock', 'is no folder'],
    ['home', "the grid's home"],
    ['mine', "the grid's home"],
    ['home/keys', "the grid's home"],
    ['home/not-yet', "the grid's home"],
    ['/proc/self', 'the kernel'],
    ['/dev', 'devices'],
    ['/sys/fs', 'the kernel'],
    ['/var', 'own files'],
    ['/var/lib/docker/volumes', 'own files'],
    ['file', 'is no folder'],
  ])('%o may not be mounted', async (path, words) => {
    const found = await lookAtFolder(path.startsWith('/') ? path : at(path), forbidden);
    expect(found).toMatchObject({ kind: 'forbidden', words: expect.stringContaining(words) });
  });

  it('that is not there is missing, and no more', async () => {
    expect(await lookAtFolder(at('gone'), forbidden)).toEqual({
      kind: 'missing',
      words: `${at('gone')} cannot be used: it is not there`,
    });
  });
});

it('a policy is told every mount that is wrong, by its name', async () => {
  const mount = (path: string, write = false) => ({ path: at(path), write });
  const mounts = {
    keys: mount('home/keys'),
    gone: mount('gone'),
    data: mount('data', true),
    twice: mount('alias', false),
    inner: mount('alias/in'),
  };
  const problems = await policyProblems({ ...defaultPolicy, mounts }, at('home'));
  expect(problems.map(({ mount: name }) => name)).toEqual(['keys', 'inner']);
  expect(problems[1]?.words).toContain('mount data lets tasks write');
  const sockets = { run: { path: '/var/run', write: false } };
  expect(await policyProblems({ ...defaultPolicy, mounts: sockets }, at('home'))).toMatchObject([
    { mount: 'run', words: expect.stringContaining('root') },
  ]);
});
