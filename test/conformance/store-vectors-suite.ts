/** What every store of passages must do with vectors (packages/retrieval/src/store/store.ts, whose numbers are cited). */
import type { Store } from '@gryphgen/retrieval';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { put, type StorePlace } from './store-suite.ts';

const model = { model: 'words', digest: `sha256:${'0'.repeat(64)}`, dimension: 8 };

/** A direction for each text, like that of no other. */
function vectorOf(text: string, dimension: number): Float32Array {
  let state = 2_166_136_261;
  for (const char of text) state = Math.imul(state ^ char.charCodeAt(0), 16_777_619);
  return Float32Array.from({ length: dimension }, () => {
    state = (state + 0x6d2b79f5) | 0;
    const mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 - 0.5;
  });
}

export function storeVectorConformance(name: string, make: () => Promise<StorePlace>): void {
  describe(`vectors in a store: ${name}`, () => {
    let place: StorePlace;
    let opened: Store[] = [];
    const open = async () => {
      const store = await place.open();
      opened.push(store);
      return store;
    };
    beforeEach(async () => {
      opened = [];
      place = await make();
    });
    afterEach(async () => {
      for (const store of opened) await store.close();
      await place.remove();
    });

    /** Gives all that lack one a vector; says of which texts. */
    const fill = async (store: Store, collection = 'c', dimension = model.dimension) => {
      const texts: string[] = [];
      for (let after = 0; ; ) {
        const lacking = await store.unembedded(collection, after, 3);
        if (lacking.length === 0) return texts;
        texts.push(...lacking.map(({ text }) => text));
        const vectors = lacking.map(({ id, text }) => ({ passage: id, vector: vectorOf(text, dimension) }));
        expect(await store.addVectors(collection, vectors)).toBe(vectors.length);
        after = lacking.at(-1)?.id ?? 0;
      }
    };
    const near = async (store: Store, text: string, limit = 10, collection = 'c') =>
      (await store.nearest({ collection, vector: vectorOf(text, model.dimension), limit })).map(
        (passage) => passage.text,
      );

    it('finds the nearest passages, with the cosine as their score', async () => {
      const store = await open();
      const texts = ['rocket', 'moon', 'sun', 'star', 'nozzle'];
      await store.apply('c', [put('a', ...texts.slice(0, 3)), put('b', ...texts.slice(3))]);
      expect(await store.embedding('c')).toBeUndefined();
      expect(await near(store, 'moon')).toEqual([]);
      await store.embedBy('c', model);
      expect(await store.embedding('c')).toEqual(model);
      expect(await store.countUnembedded('c')).toBe(5);
      expect((await fill(store)).sort()).toEqual([...texts].sort());
      expect(await store.countUnembedded('c')).toBe(0);
      const cosine = (one: string, other: string) => product(unitOf(one, 8), unitOf(other, 8));
      const expected = [...texts].sort((a, b) => cosine('moon', b) - cosine('moon', a));
      const found = await store.nearest({ collection: 'c', vector: vectorOf('moon', 8), limit: 4 });
      expect(found.map(({ text }) => text)).toEqual(expected.slice(0, 4));
      for (const { text, score } of found) expect(score).toBeCloseTo(cosine('moon', text), 3);
      expect(found[0]).toMatchObject({
        collection: 'c',
        source: { key: 'a' },
        seq: 1,
        named: null,
        terms: [],
      });
      expect(await store.check()).toEqual([]);
    });

    it('shows a model where a passage stands, and its text', async () => {
      const store = await open();
      const source = { key: 'k', path: 'docs/a.md', title: 'Flight', revision: null, hash: 'h' };
      const chunk = { text: 'Nozzles.', startLine: 1, endLine: 1, headings: ['One', 'Two'], symbols: [] };
      await store.apply('c', [{ kind: 'put', source, chunks: [chunk, { ...chunk, headings: [] }] }]);
      const texts = (await store.unembedded('c', 0, 10)).map(({ text }) => text);
      expect(texts).toEqual(['Flight > One > Two\nNozzles.', 'Flight\nNozzles.']);
    });

    it('keeps them (1), and those of passages that come again as they were (5)', async () => {
      const store = await open();
      await store.apply('c', [put('a', 'rocket', 'moon'), put('b', 'sun')]);
      await store.embedBy('c', model);
      await fill(store);
      await store.close();
      const again = await open();
      expect(await near(again, 'moon', 1)).toEqual(['moon']);
      await again.apply('c', [put('a', 'star', 'moon')]);
      expect(await near(again, 'moon', 1)).toEqual(['moon']);
      expect((await near(again, 'rocket')).sort()).toEqual(['moon', 'sun']);
      expect(await fill(again)).toEqual(['star']);
      expect(await near(again, 'star', 1)).toEqual(['star']);
      // A file that has another name now.
      await again.apply('c', [{ kind: 'remove', key: 'b' }, put('e', 'sun')]);
      expect(
        (await again.nearest({ collection: 'c', vector: vectorOf('sun', 8), limit: 1 }))[0],
      ).toMatchObject({
        text: 'sun',
        source: { key: 'e' },
      });
      expect(await again.countUnembedded('c')).toBe(0);
      expect(await again.check()).toEqual([]);
    });

    it('removes them with their passages (5)', async () => {
      const store = await open();
      await store.apply('c', [put('a', 'rocket ada lovelace', 'moon'), put('b', 'sun'), put('d', 'star')]);
      await store.embedBy('c', model);
      const before = await store.unembedded('c', 0, 10);
      await fill(store);
      expect(await near(store, 'sun')).toHaveLength(4);
      await store.apply('c', [{ kind: 'remove', key: 'b' }]);
      expect((await near(store, 'sun', 3)).sort()).toEqual(['moon', 'rocket ada lovelace', 'star']);
      await store.forget('c', 'adalovelace');
      expect((await near(store, 'sun')).sort()).toEqual(['moon', 'star']);
      // What comes late is of nobody.
      const late = before.map(({ id }) => ({ passage: id, vector: vectorOf('late', 8) }));
      expect(await store.addVectors('c', late)).toBe(0);
      expect(await store.check()).toEqual([]);
      await store.drop('c');
      await store.apply('c', [put('a', 'moon')]);
      expect(await store.embedding('c')).toBeUndefined();
      expect(await near(store, 'moon')).toEqual([]);
      expect(await store.check()).toEqual([]);
    });

    it('begins anew for another model, and has none of another dimension', async () => {
      const store = await open();
      await store.apply('c', [put('a', 'rocket', 'moon')]);
      await store.apply('d', [put('a', 'rocket')]);
      await store.embedBy('c', model);
      await store.embedBy('d', model);
      await fill(store);
      await fill(store, 'd');
      expect(await near(store, 'moon', 1)).toEqual(['moon']);
      await store.embedBy('c', { ...model, dimension: 5 });
      expect(await near(store, 'moon')).toEqual([]);
      expect(await store.countUnembedded('c')).toBe(2);
      const [lacking] = await store.unembedded('c', 0, 1);
      const { id } = lacking ?? { id: 0 };
      expect(await store.addVectors('c', [{ passage: id, vector: vectorOf('x', 8) }])).toBe(0);
      expect(await store.addVectors('c', [{ passage: id, vector: new Float32Array(5) }])).toBe(0);
      await fill(store, 'c', 5);
      const found = await store.nearest({ collection: 'c', vector: vectorOf('moon', 5), limit: 1 });
      expect(found.map(({ text }) => text)).toEqual(['moon']);
      expect(await near(store, 'rocket', 10, 'd')).toEqual(['rocket']);
      // The same file under another name makes the same vectors.
      await store.embedBy('d', { ...model, model: 'others' });
      expect(await store.embedding('d')).toEqual({ ...model, model: 'others' });
      expect(await near(store, 'rocket', 10, 'd')).toEqual(['rocket']);
      await store.embedBy('d', model, true);
      expect(await near(store, 'rocket', 10, 'd')).toEqual([]);
      expect(await store.check()).toEqual([]);
    });

    it('finds nearly all of the nearest among many, while they come and go', async () => {
      const store = await open();
      const dimension = 32;
      await store.embedBy('c', { ...model, dimension });
      const there = new Map<string, { readonly key: string; readonly unit: Float32Array }>();
      const replace = async (round: number, files: number) => {
        const changes = Array.from({ length: files }, (_, file) => {
          const key = `f${(round * 2 + file) % 7}`;
          for (const [text, one] of there) if (one.key === key) there.delete(text);
          const texts = Array.from({ length: 1000 }, (_, n) => `w${round} ${file} ${n}`);
          for (const text of texts) there.set(text, { key, unit: unitOf(text, dimension) });
          return put(key, ...texts);
        });
        await store.apply('c', changes);
        const lacking = await store.unembedded('c', 0, 10_000);
        const vectors = lacking.map(({ id, text }) => ({ passage: id, vector: vectorOf(text, dimension) }));
        expect(await store.addVectors('c', vectors)).toBe(files * 1000);
      };
      for (const [round, files] of [3, 3, 3].entries()) {
        await replace(round, files);
        let right = 0;
        for (let n = 0; n < 5; n += 1) {
          const query = unitOf(`query ${n}`, dimension);
          const scored = [...there].map(([text, { unit }]) => ({ text, score: product(unit, query) }));
          scored.sort((a, b) => b.score - a.score);
          const best = new Set(scored.slice(0, 10).map(({ text }) => text));
          const found = await store.nearest({ collection: 'c', vector: query, limit: 10 });
          expect(found).toHaveLength(10);
          for (const { text } of found) if (best.has(text)) right += 1;
          const [{ key = '' } = {}] = there.values();
          const files = { paths: [key] };
          const own = scored.filter(({ text }) => there.get(text)?.key === key).slice(0, 10);
          // Few enough to be compared one by one, however far down they are among all.
          const chosen = await store.nearest({ collection: 'c', vector: query, limit: 10, files });
          expect(chosen.map(({ text }) => text).sort()).toEqual(own.map(({ text }) => text).sort());
        }
        expect(right).toBeGreaterThanOrEqual(45);
      }
      expect(await store.check()).toEqual([]);
    });
  });
}

function product(one: Float32Array, other: Float32Array): number {
  return one.reduce((sum, value, at) => sum + value * (other[at] ?? 0), 0);
}

function unitOf(text: string, dimension: number): Float32Array {
  const vector = vectorOf(text, dimension);
  const length = Math.sqrt(product(vector, vector));
  return vector.map((value) => value / length);
}
