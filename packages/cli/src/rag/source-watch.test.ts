import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Repository } from './made-repository.fixture.ts';
import type { SourcePlace } from './source-place.ts';
import { SourceWatch } from './source-watch.ts';

let folder: string;
let ended: AbortController;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg-watch-'));
  ended = new AbortController();
});
afterEach(() => {
  ended.abort();
  rmSync(folder, { recursive: true });
});

const watching = (places: readonly SourcePlace[], lookEachMs: number) => {
  const watch = new SourceWatch(places, { signal: ended.signal, lookEachMs });
  return { watch, changes: watch.changes() };
};
const file = (name: string, text: string) => writeFileSync(join(folder, name), text);

it('a source is told at first, and whenever something in it has changed, until the end', async () => {
  mkdirSync(join(folder, 'sub'));
  mkdirSync(join(folder, 'node_modules'));
  file('sub/a.md', 'one');
  const place = { kind: 'path', path: folder } as const;
  // Looks by the clock are out of the way.
  const { changes } = watching([place], 3_600_000);
  const told = async () => (await changes.next()).value;
  expect(await told()).toEqual(place);
  for (const change of [
    () => file('sub/a.md', 'other'),
    () => mkdirSync(join(folder, 'new')),
    () => file('new/b.md', 'one'),
    () => renameSync(join(folder, 'new/b.md'), join(folder, 'sub/c.md')),
    () => rmSync(join(folder, 'sub'), { recursive: true }),
  ]) {
    const next = told();
    change();
    expect(await next).toEqual(place);
  }
  const last = changes.next();
  file('node_modules/x.js', 'nobody looks here');
  ended.abort();
  expect(await last).toEqual({ done: true, value: undefined });
});

it('what nobody tells of is found by looking: another commit, or what failed before', async () => {
  const repository = new Repository(folder);
  file('a.md', 'one');
  repository.commit('one');
  const place = { kind: 'git', folder, revision: 'main' } as const;
  const { watch, changes } = watching([place], 50);
  expect((await changes.next()).value).toEqual(place);
  const next = changes.next();
  file('a.md', 'two');
  repository.commit('two');
  expect((await next).value).toEqual(place);
  watch.again(place);
  expect((await changes.next()).value).toEqual(place);
});

it('a source that goes is told once, and once when it comes back', async () => {
  const place = { kind: 'path', path: join(folder, 'away') } as const;
  mkdirSync(place.path);
  const { changes } = watching([place], 50);
  expect((await changes.next()).value).toEqual(place);
  rmSync(place.path, { recursive: true });
  expect((await changes.next()).value).toEqual(place);
  mkdirSync(place.path);
  expect((await changes.next()).value).toEqual(place);
});
