/** What a policy file may hold, and where each mistake is said to be. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@gryphgen/runtime';
import { defaultPolicy } from '@gryphgen/worker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadPolicy } from './policy-file.ts';
import { UsageError } from './problem.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gg-policy-'));
  mkdirSync(join(home, 'grid'));
  mkdirSync(join(home, 'data'));
  symlinkSync('/', join(home, 'all'));
});
afterEach(() => rmSync(home, { recursive: true }));

async function load(text: string | undefined, flags = {}) {
  if (text !== undefined) writeFileSync(join(home, 'grid', 'policy.yaml'), text.replaceAll('HOME', home));
  const loaded = loadConfig({ flags: { home: join(home, 'grid'), ...flags }, env: {} });
  if (!loaded.ok) throw new Error(loaded.problems.join());
  return await loadPolicy(loaded.config);
}

async function problems(text: string, flags = {}): Promise<readonly string[]> {
  const error = await load(text, flags).catch((thrown: unknown) => thrown);
  if (!(error instanceof UsageError)) throw new Error(`expected a UsageError, got ${JSON.stringify(error)}`);
  return error.lines.map((line) => line.replace(`${home}/grid/policy.yaml:`, ''));
}

describe('a policy', () => {
  it('is the default where there is no file', async () => {
    expect(await load(undefined)).toEqual(defaultPolicy);
  });

  it('that was named must be there', async () => {
    expect(await problems('users: {}', { policy: join(home, 'other', 'policy.yaml') })).toEqual([
      `${home}/other/policy.yaml: there is no such file`,
    ]);
  });

  it('is what the file says, and the default of what it does not', async () => {
    const text = `
images: [busybox, ghcr.io/acme/*]
push: no
mounts:
  data: { path: HOME/data }
  later: { path: HOME/not-there, mode: rw }
networks: [host]
runtimes: [runsc]
ports: all
users: { root: no, default: 1000:1000 }
`;
    expect(await load(text)).toEqual({
      ports: 'all',
      push: false,
      images: ['busybox', 'ghcr.io/acme/*'],
      mounts: {
        data: { path: `${home}/data`, write: false },
        later: { path: `${home}/not-there`, write: true },
      },
      networks: ['host'],
      runtimes: ['runsc'],
      root: 'no',
      user: '1000:1000',
    });
    expect(await load('networks: [none]')).toEqual({ ...defaultPolicy, networks: ['none'] });
  });

  it.each<[string, string]>([
    ['mount: {}', '1:1: mount: found unknown key "mount", expected "mounts"'],
    [
      'mounts:\n  data: { path: HOME/data, readonly: true }',
      ': mounts.data.readonly: found unknown key "readonly", expected one of path, mode',
    ],
    ['mounts:\n  data: { mode: rw }', '2:3: mounts.data: expected a path'],
    ['mounts: { "a/b": { path: HOME/data } }', '1:11: mounts.a/b: found key "a/b"'],
    ['mounts: { data: { path: data } }', '1:25: mounts.data.path: found "data", expected an absolute path'],
    ['mounts:\n  x:\n    path: /', '3:5: mounts.x.path: / is the whole machine'],
    ['mounts:\n  x:\n    path: HOME/all', 'which is /) is the whole machine'],
    ['mounts: { x: { path: /var/run } }', 'who has it is root'],
    ['mounts: { x: { path: HOME/grid } }', "the grid's home"],
    ['mounts: { x: { path: HOME } }', "the grid's home"],
    ['networks: [wifi]', '1:12: networks[0]: found "wifi", expected one of none, bridge, host'],
    ['images: [a b]', '1:10: images[0]: found "a b"'],
    ['users: { root: maybe }', '1:16: users.root: found "maybe", expected one of no, remapped, yes'],
    ['ports: some', '1:8: ports: found "some", expected one of none, loopback, all'],
    ['users: { default: 0:0 }', '1:19: users.default: found "0:0"'],
    ['privileged: true', '1:1: privileged: found unknown key'],
    ['', '1:1: found an empty file, expected a policy'],
  ])('%j is refused with its place', async (text, words) => {
    expect((await problems(text)).join('\n')).toContain(words);
  });
});
