/** What every store of passages must do (packages/retrieval/src/store/store.ts, whose numbers are cited). */
import type { ChosenFiles } from '@gryphgen/protocol';
import type { Chunk, Passage, SourceChange, Store } from '@gryphgen/retrieval';
import { StoreError } from '@gryphgen/retrieval';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** One empty place that a store can be opened in again and again. */
export interface StorePlace {
  open(): Promise<Store>;
  remove(): Promise<void>;
}

const chunk = (text: string, more: Partial<Chunk> = {}): Chunk => ({
  text,
  startLine: 1,
  endLine: 1,
  headings: [],
  symbols: [],
  ...more,
});

export const put = (key: string, ...chunks: readonly (string | Chunk)[]): SourceChange => ({
  kind: 'put',
  source: { key, path: key, title: null, revision: null, hash: `hash of ${key}` },
  chunks: chunks.map((each) => (typeof each === 'string' ? chunk(each) : each)),
});

export function storeConformance(name: string, make: () => Promise<StorePlace>): void {
  describe(`store: ${name}`, () => {
    let place: StorePlace;
    let opened: Store[] = [];
    const open = async () => {
      const store = await place.open();
      opened.push(store);
      return store;
    };
    const found = async (store: Store, text: string, ...collections: readonly string[]) => {
      const asked = collections.length === 0 ? ['c'] : collections;
      return store.search({ collections: asked, text, limit: 100 });
    };
    const keys = (passages: readonly Passage[]) => passages.map(({ source }) => source.key);

    beforeEach(async () => {
      opened = [];
      place = await make();
    });
    afterEach(async () => {
      for (const store of opened) await store.close();
      await place.remove();
    });

    it('answers with the passage, where it is from and what made its score', async () => {
      const store = await open();
      const told = chunk('Rockets need nozzles.', {
        startLine: 3,
        endLine: 4,
        headings: ['One', 'Two'],
        symbols: ['f'],
      });
      const source = { key: 'k', path: 'docs/a.md', title: 'Flight', revision: 'r1', hash: 'h' };
      await store.apply('c', [{ kind: 'put', source, chunks: [chunk('first'), told] }]);
      const [passage] = await found(store, 'nozzle rockets');
      expect(passage).toMatchObject({ ...told, collection: 'c', source, seq: 1, named: null });
      expect(passage?.terms.map(({ term }) => term)).toEqual(['nozzl', 'rocket']);
      const sum = passage?.terms.reduce((all, { score }) => all + score, 0);
      expect(passage?.score).toBeCloseTo(sum ?? 0, 4);
    });

    it('tells what stands beside a passage in its source, in order', async () => {
      const store = await open();
      const source = { key: 'k', path: 'k', title: null, revision: null, hash: '' };
      const chunks = ['zero', 'one', 'two', 'three'].map((text, at) =>
        chunk(text, { startLine: at + 1, endLine: at + 1 }),
      );
      await store.apply('c', [{ kind: 'put', source, chunks }, put('l', 'other')]);
      const places = [0, 2, 9].map((seq) => ({ key: 'k', seq }));
      const told = await store.neighbours('c', places, 1);
      expect(told.map((each) => each.map(({ text, seq }) => [text, seq]))).toEqual([
        [['one', 1]],
        [
          ['one', 1],
          ['three', 3],
        ],
        [],
      ]);
      expect(told[0]?.[0]).toMatchObject(chunks[1] ?? {});
      expect(await store.neighbours('d', places, 1)).toEqual([[], [], []]);
    });

    it('keeps what was applied (1)', async () => {
      await (await open()).apply('c', [put('a', 'rocket')]);
      await opened[0]?.close();
      const store = await open();
      expect(keys(await found(store, 'rocket'))).toEqual(['a']);
      expect(await store.check()).toEqual([]);
    });

    it('an apply that fails changes nothing (1)', async () => {
      const store = await open();
      await store.apply('c', [put('a', 'rocket')]);
      const broken = {
        ...put('b', 'rocket'),
        source: { key: 'b', path: 'b', title: null, revision: null, hash: null },
      };
      await expect(store.apply('c', [put('a', 'moon'), broken as never])).rejects.toThrow(StoreError);
      expect(keys(await found(store, 'rocket'))).toEqual(['a']);
      expect(await found(store, 'moon')).toEqual([]);
      // Nor is it remembered as done: what it would have replaced is replaced now.
      await store.apply('c', [put('a', 'sun'), put('b', 'rocket moon')]);
      expect(keys(await found(store, 'moon'))).toEqual(['b']);
      expect(keys(await found(store, 'rocket'))).toEqual(['b']);
      expect(await store.check()).toEqual([]);
    });

    it('replaces a source by its key and forgets what is removed (2)', async () => {
      const store = await open();
      await store.apply('c', [put('a', 'rocket', 'nozzle'), put('b', 'rocket')]);
      await store.apply('c', [put('a', 'rocket moon')]);
      expect(await found(store, 'nozzle')).toEqual([]);
      expect((await found(store, 'rocket')).length).toBe(2);
      await store.apply('c', [
        { kind: 'remove', key: 'a' },
        { kind: 'remove', key: 'never there' },
      ]);
      expect(keys(await found(store, 'rocket moon'))).toEqual(['b']);
      expect((await store.sources('c')).map(({ key }) => key)).toEqual(['b']);
      expect(await store.check()).toEqual([]);
    });

    it('takes the last of several changes to one source (2)', async () => {
      const store = await open();
      await store.apply('c', [
        put('a', 'rocket'),
        put('a', 'moon'),
        put('b', 'sun'),
        { kind: 'remove', key: 'b' },
      ]);
      expect(await found(store, 'rocket')).toEqual([]);
      expect(keys(await found(store, 'moon'))).toEqual(['a']);
      expect(await found(store, 'sun')).toEqual([]);
      expect(await store.check()).toEqual([]);
    });

    it('says which sources are there and why others are not', async () => {
      const store = await open();
      const { source } = put('b') as Extract<SourceChange, { kind: 'put' }>;
      await store.apply('c', [put('b', 'rocket'), put('a', 'x', 'y')]);
      await store.apply('c', [{ kind: 'fail', source, cause: 'it is not valid UTF-8' }]);
      expect(await store.sources('c')).toMatchObject([
        { key: 'a', chunks: 2, cause: null, hash: 'hash of a' },
        { key: 'b', chunks: 0, cause: 'it is not valid UTF-8' },
      ]);
      expect(await found(store, 'rocket')).toEqual([]);
      expect(await store.sources('nowhere')).toEqual([]);
    });

    it('tells all sources that failed, by key, from where it is asked', async () => {
      const store = await open();
      const cause = 'it is binary';
      const failing = ['e', 'b', 'd', 'c'].map((key) => {
        const { source } = put(key) as Extract<SourceChange, { kind: 'put' }>;
        return { kind: 'fail', source, cause } as const;
      });
      await store.apply('c', [put('a', 'rocket'), ...failing]);
      await store.apply('other', failing.slice(0, 1));
      const rows = (...names: readonly string[]) => names.map((key) => ({ key, cause }));
      expect(await store.failed('c', 0, 3)).toEqual({ failed: rows('b', 'c', 'd'), total: 4 });
      expect(await store.failed('c', 3, 3)).toEqual({ failed: rows('e'), total: 4 });
      await store.apply('c', [put('b', 'rocket')]);
      expect(await store.failed('c', 0, 3)).toEqual({ failed: rows('c', 'd', 'e'), total: 3 });
      expect(await store.failed('nowhere', 0, 3)).toEqual({ failed: [], total: 0 });
    });

    it('keeps collections apart, and asks several as one', async () => {
      const store = await open();
      await store.apply('c', [put('a', 'rocket')]);
      await store.apply('d', [put('a', 'rocket moon'), put('e', 'rocket')]);
      expect(await store.collections()).toEqual(['c', 'd']);
      expect((await found(store, 'rocket', 'd')).map(({ collection }) => collection)).toEqual(['d', 'd']);
      expect(await found(store, 'rocket', 'c', 'd', 'nowhere')).toHaveLength(3);
      await store.drop('d');
      expect(await store.collections()).toEqual(['c']);
      expect(await found(store, 'rocket', 'c', 'd')).toHaveLength(1);
      expect(await store.check()).toEqual([]);
    });

    it('answers as a store that was filled anew, after any history (3)', async () => {
      const words = ['rocket', 'moon', 'sun', 'star', 'nozzle', 'fuel', 'crew', 'dust'];
      const textOf = (n: number) => [1, 2, 3, 5].map((step) => words[(n * step + step) % 8]).join(' ');
      const store = await open();
      const now = new Map<string, number>();
      for (let n = 0; n < 60; n += 1) {
        const key = `k${(n * 7) % 13}`;
        if (n % 5 === 4) {
          now.delete(key);
          await store.apply('c', [{ kind: 'remove', key }]);
        } else {
          now.set(key, n);
          await store.apply('c', [put(key, textOf(n), textOf(n + 3))]);
        }
      }
      const sorted = [...now].sort(([a], [b]) => (a < b ? -1 : 1));
      await store.apply(
        'fresh',
        sorted.map(([key, n]) => put(key, textOf(n), textOf(n + 3))),
      );
      for (const word of words) {
        const shown = (passages: readonly Passage[]) =>
          passages.map(({ source, seq, score, terms }) => ({ key: source.key, seq, score, terms }));
        const afresh = shown(await found(store, `${word} moon`, 'fresh'));
        expect(afresh.length).toBeGreaterThan(5);
        expect(shown(await found(store, `${word} moon`))).toEqual(afresh);
      }
      expect(await store.check()).toEqual([]);
    });

    it('answers while much is applied, always with all of an apply or nothing (3, 4)', async () => {
      const store = await open();
      await store.apply('c', [put('a', 'old one'), put('b', 'old two')]);
      const many = Array.from({ length: 500 }, (_, n) =>
        put(`many ${n}`, `filler ${'words '.repeat(50)} ${n}`),
      );
      let applied = false;
      const applying = store
        .apply('c', [put('a', 'new one'), ...many, put('b', 'new two')])
        .finally(() => (applied = true));
      while (!applied) {
        const hits = await found(store, 'old new');
        const texts = hits.map(({ text }) => text.split(' ')[0]);
        expect(new Set(texts).size).toBe(1);
        expect(hits).toHaveLength(2);
      }
      await applying;
      expect((await found(store, 'old new')).map(({ text }) => text).sort()).toEqual(['new one', 'new two']);
    });

    it('finds first what a query names as a whole', async () => {
      const store = await open();
      const noise = Array.from({ length: 30 }, (_, n) =>
        put(`noise ${n}.ts`, chunk('parse http header parse http header parseHttpHeaderField')),
      );
      const declares = chunk('function parseHttpHeader() {}', { symbols: ['Reader.parseHttpHeader'] });
      const other = chunk('def parse_http_header(): pass', { symbols: ['parse_http_header'] });
      await store.apply('c', [...noise, put('lib/a.ts', declares), put('b.py', other)]);
      expect(keys(await found(store, 'parseHttpHeader')).slice(0, 2)).toEqual(['lib/a.ts', 'b.py']);
      expect(keys(await found(store, 'parse_http_header')).slice(0, 2)).toEqual(['b.py', 'lib/a.ts']);
      expect((await found(store, 'Reader.parseHttpHeader'))[0]?.named).toBe('exactly');
      expect(keys(await found(store, 'parse the http header')).slice(0, 40)).toContain('lib/a.ts');
      expect(keys(await found(store, 'a.ts'))[0]).toBe('lib/a.ts');
    });

    it('answers the best of the files that are chosen, scored as among all', async () => {
      const store = await open();
      const often = Array.from({ length: 150 }, (_, at) =>
        put(`forge\n/often/${at}.md`, 'rocket rocket rocket'),
      );
      const rest = Array.from({ length: 5 }, (_, at) =>
        put(`anvil\n/docs/${at}.${at % 2 ? 'ts' : 'md'}`, `rocket and much else ${at}`),
      );
      await store.apply('c', [...often, ...rest]);
      const choose = async (files: ChosenFiles, limit = 3, text = 'rocket') =>
        await store.search({ collections: ['c'], text, limit, files });
      const all = await found(store, 'rocket and much');
      const some = await choose({ paths: ['docs/**'] }, 3, 'rocket and much');
      expect(some).toHaveLength(3);
      expect(some).toEqual(all.filter(({ source }) => source.key.includes('/docs/')).slice(0, 3));
      expect(keys(await choose({ extensions: ['ts'] }, 9))).toEqual([
        'anvil\n/docs/1.ts',
        'anvil\n/docs/3.ts',
      ]);
      expect(await choose({ machines: ['anvil'] }, 99)).toHaveLength(5);
      expect(await choose({ machines: ['forge'], paths: ['docs/**'] })).toEqual([]);
      await store.apply('c', [
        put('anvil\n/docs/9.md', 'rocket'),
        { kind: 'remove', key: 'anvil\n/docs/1.ts' },
      ]);
      expect(await choose({ paths: ['/docs/*'] }, 99)).toHaveLength(5);
      expect(await store.search({ collections: ['other'], text: 'rocket', limit: 3, files: {} })).toEqual([]);
    });

    it('answers strange queries, of any size and script', async () => {
      const store = await open();
      await store.apply('c', [put('a', 'a rocket'), put('b', 'Ракета летит'), put('d', '月へロケット')]);
      const queries: readonly (readonly [text: string, expected: readonly string[]])[] = [
        ['', []],
        ['the of and', []],
        ['" OR * ) NEAR(', []],
        ['\u0000', []],
        ['\ud800 lone', []],
        ['x'.repeat(100_000), []],
        [Array.from({ length: 20_000 }, (_, n) => `w${n}`).join(' '), []],
        ['rocket" AND -"moon', ['a']],
        ['rocket '.repeat(15_000), ['a']],
        ['ракета', ['b']],
        ['ロケット', ['d']],
      ];
      for (const [text, expected] of queries)
        expect(keys(await found(store, text)), text.slice(0, 40)).toEqual(expected);
    });

    it('a purge leaves what is there as it was', async () => {
      const store = await open();
      await store.apply('c', [put('a', 'rocket'), put('b', 'moon')]);
      await store.apply('c', [{ kind: 'remove', key: 'a' }]);
      await store.purge();
      expect(keys(await found(store, 'moon rocket'))).toEqual(['b']);
      await store.apply('c', [put('a', 'rocket')]);
      expect(keys(await found(store, 'rocket'))).toEqual(['a']);
      expect(await store.check()).toEqual([]);
    });

    it('a closed store says so', async () => {
      const store = await open();
      await store.close();
      await store.close();
      await expect(found(store, 'x')).rejects.toMatchObject({ code: 'closed' });
      await expect(store.apply('c', [])).rejects.toMatchObject({ code: 'closed' });
    });
  });
}
