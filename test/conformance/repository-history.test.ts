/**
 * This project's own history, commit by commit: after each, a collection that followed it answers as one made anew of that commit
 * alone, to the last bit of each score.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DocumentParser, folderOrigin, openSqliteStore, syncCollection } from '@gryphgen/retrieval';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { extractCommit } from '../../packages/cli/src/rag/git-revision.ts';

/** Code that has been moved and rewritten often, and is read in a blink. */
const folder = fileURLToPath(new URL('../../packages/retrieval/src/core', import.meta.url));
const mostCommits = 20;
/** Beside the names of what changed. */
const always = ['terms', 'passage text', 'rankSettings', 'what is in the collection', 'segment.ts'];

const git = (...args: readonly string[]): readonly string[] => {
  try {
    const told = execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return told.split('\n').filter((line) => line !== '');
  } catch {
    // No git, or no repository: there is no history then.
    return [];
  }
};
/** Spread over all of them, so that much changes between two. Oldest first. */
const all = git('log', '--format=%H', '--reverse', '--', '.');
const commits = all.filter((_, at) => at % Math.ceil(all.length / mostCommits) === 0);
if (commits.length < 2) console.warn('NOT TESTED: the history of this project: it is not here');

let place: string;
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'gg-history-'));
});
afterAll(() => rmSync(place, { recursive: true }));

it.skipIf(commits.length < 2)(
  'a repository that is followed answers as one made anew',
  { timeout: 300_000 },
  async () => {
    const store = await openSqliteStore({ path: join(place, 'retrieval.db') });
    const parser = new DocumentParser(() => 0);
    const passages = async (collection: string, text: string) =>
      (await store.search({ collections: [collection], text, limit: 50 })).map((one) => ({
        ...one,
        collection: '',
      }));
    let [moved, found] = [0, 0];
    try {
      for (const [at, commit] of commits.entries()) {
        const files = join(place, 'files');
        mkdirSync(files);
        await extractCommit(folder, commit, files);
        const sync = (collection: string) =>
          syncCollection({ store, collection, parser, origin: folderOrigin(files, 1024 ** 2) });
        const { added, changed, removed, failed } = await sync('followed');
        expect(failed).toEqual([]);
        if (at > 0) moved += added + changed + removed;
        expect(await sync('anew')).toMatchObject({ changed: 0, unchanged: 0, removed: 0 });
        const names = git('diff', '--name-only', '--relative', commits[at - 1] ?? commit, commit);
        for (const text of [...always, ...names.slice(0, 20).map((name) => basename(name, '.ts'))]) {
          const answer = await passages('followed', text);
          expect(answer, `${text} at ${commit}`).toEqual(await passages('anew', text));
          found += answer.length;
        }
        await store.drop('anew');
        rmSync(files, { recursive: true });
      }
      expect(await store.check()).toEqual([]);
    } finally {
      await store.close();
      await parser.close();
    }
    expect(moved).toBeGreaterThan(0);
    expect(found).toBeGreaterThan(0);
  },
);
