import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitOf, extractCommit } from './git-revision.ts';
import { Repository } from './made-repository.fixture.ts';
import { knownPlace, nameToRemove, sourceName, stdinName, writtenPlace } from './source-place.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'gg-places-')));
const repository = join(folder, 'a@b; touch gone');
let first = '';
let second = '';

beforeAll(() => {
  const made = new Repository(repository);
  mkdirSync(join(repository, 'docs'));
  writeFileSync(join(repository, 'docs/a.md'), 'one');
  writeFileSync(join(repository, 'b.md'), 'one');
  first = made.commit('first');
  made.git('tag', 'v1');
  writeFileSync(join(repository, 'docs/a.md'), 'two');
  second = made.commit('second');
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a source', () => {
  it('is known by the name that it is found by again', async () => {
    for (const [text, name] of [
      [repository, repository],
      [`${repository}@v1`, `git+file://${repository}@v1`],
      [`git+file://${repository}@v1`, `git+file://${repository}@v1`],
      [`git+file://${repository}`, `git+file://${repository}@HEAD`],
      [`${repository}/docs@main`, `git+file://${repository}/docs@main`],
      ['stdin:notes.md', 'stdin:notes.md'],
      ['https://Example.com/guide#install', 'https://example.com/guide'],
    ] as const) {
      const place = await writtenPlace(text);
      expect([text, sourceName(place)]).toEqual([text, name]);
      expect(knownPlace(name)).toEqual(place);
      expect(await nameToRemove(name)).toBe(name);
    }
  });

  it('that is not there, or has a name that could be something else, is refused', async () => {
    for (const text of [
      `${folder}/none`,
      `${folder}/none@v1`,
      'git+file:///none@v1',
      `${repository}@--output=x`,
      `${repository}@`,
      `${repository}@a b`,
      'stdin:../x.md',
      'stdin:..',
      'stdin:a\nb',
    ])
      await expect(writtenPlace(text), text).rejects.toThrow(/is not there|found/);
    expect(() => stdinName('')).toThrow("expected a file's");
    await expect(writtenPlace('http://example.com/guide')).rejects.toThrow('expected https');
  });
});

describe('a revision', () => {
  const extracted = async (from: string, commit: string) => {
    const into = mkdtempSync(join(folder, 'into-'));
    await extractCommit(from, commit, into);
    return Object.fromEntries(
      readdirSync(into, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .map((path) => [path.slice(into.length + 1), readFileSync(path, 'utf8')]),
    );
  };

  it('is its commit, and the files of that below the folder', async () => {
    expect(await commitOf(repository, 'v1')).toBe(first);
    expect(await commitOf(repository, 'main')).toBe(second);
    expect(await extracted(repository, first)).toEqual({ 'docs/a.md': 'one', 'b.md': 'one' });
    expect(await extracted(join(repository, 'docs'), second)).toEqual({ 'a.md': 'two' });
  });

  it('that is not there, or not of a repository, is told in the words of git', async () => {
    await expect(commitOf(repository, 'v2')).rejects.toThrow('has no revision v2: ');
    await expect(commitOf(folder, 'HEAD')).rejects.toThrow('not a git repository');
    await expect(extractCommit(repository, '0'.repeat(40), folder)).rejects.toThrow(
      `cannot be read at ${'0'.repeat(40)}`,
    );
  });
});
