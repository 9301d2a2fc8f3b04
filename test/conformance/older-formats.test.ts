/** What earlier programs wrote is opened, is whole, and is gone on with. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { checkStoppedHome, journalSettings, openStore } from '@gryphgen/broker';
import { openSqliteStore } from '@gryphgen/retrieval';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Roots } from '../../packages/retrieval/src/service/roots.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg-older-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Files as they were, by their paths: gzip in base64. */
function unpack(capture: string): void {
  const path = new URL(`../fixtures/formats/${capture}.json`, import.meta.url);
  const files = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
  for (const [name, packed] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, name), gunzipSync(Buffer.from(packed, 'base64')), { mode: 0o600 });
  }
}

describe.each([1, 2, 3])('a store of passages of format %i', (format) => {
  it('has what was in it, and takes more', async () => {
    unpack(`retrieval-${format}`);
    const store = await openSqliteStore({ path: join(folder, 'retrieval.db') });
    try {
      expect(await store.check()).toEqual([]);
      expect((await store.sources('metals')).map(({ key }) => key)).toEqual(['iron.md', 'steel.md']);
      const find = async (text: string) => {
        const passages = await store.search({ collections: ['metals'], text, limit: 10 });
        return passages.map((passage) => passage.text).sort();
      };
      expect(await find('forged')).toEqual(['how iron is forged', 'how steel is forged']);
      const source = { key: 'tin.md', path: 'tin.md', title: null, revision: null, hash: 'of tin.md' };
      const chunk = { text: 'how tin is cast', startLine: 1, endLine: 2, headings: [], symbols: [] };
      await store.apply('metals', [{ kind: 'put', source, chunks: [chunk] }]);
      expect(await find('tin cast')).toEqual(['how tin is cast']);
      await store.addFeedback('metals', {
        key: 'iron.md',
        query: 'what is forged',
        lines: null,
        verdict: 'good',
      });
      expect(await store.feedback('metals')).toHaveLength(1);
      expect(await store.check()).toEqual([]);
    } finally {
      await store.close();
    }
  });
});

it('collections of before they had owners are everybody’s, and keep what was added to them', async () => {
  const path = join(folder, 'collections.json');
  const root = { machine: 'forge', path: '/srv/metals', syncedAt: 7 };
  writeFileSync(path, JSON.stringify({ version: 1, collections: { metals: [root] } }));
  const roots = await Roots.load(path);
  expect(roots.names).toEqual(['metals']);
  expect(roots.of('metals')).toEqual([root]);
});

it('a journal of format 1, as the first version of it left one', () => {
  unpack('journal-1');
  const before = checkStoppedHome(folder);
  expect(before.findings).toEqual([]);
  expect(before.journal).toMatchObject({ head: { seq: 51 }, bodies: 30, finished: 20 });
  const dir = join(folder, 'journal');
  const opening = { dir, settings: journalSettings, program: 'test', wallMs: Date.UTC(2026, 10, 22) };
  const { store, findings } = openStore(opening);
  expect(findings).toEqual([]);
  expect(store.epoch).toBeGreaterThan(1);
  store.close();
  expect(checkStoppedHome(folder)).toMatchObject({ findings: [], journal: { finished: 20 } });
});
