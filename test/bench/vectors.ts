/**
 * The nearest passages by their vectors, among many: how long it takes, beside comparing all of them one by one, and how many
 * of the ten nearest are found. Made-up vectors of the length that small models make.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSqliteStore, type Store } from '@gryphgen/retrieval';
import type { Benchmark } from './benchmark.ts';
import { comparedRow, type Row, row } from './row.ts';
import { percentile } from './statistics.ts';

const dimension = 384;
const nearest = 10;
const queries = 50;
const warmUp = 10;
/** Applied, and given vectors, together. */
const batch = 2000;
/** Subjects that texts are about. */
const subjects = 200;

export const vectors: Benchmark = {
  name: 'vectors',
  about: 'the nearest of many passages by their vectors',
  async run({ scale, say }) {
    const made = fileURLToPath(new URL('../../.tmp', import.meta.url));
    mkdirSync(made, { recursive: true });
    const dir = mkdtempSync(join(made, 'bench-'));
    const store = await openSqliteStore({ path: join(dir, 'vectors.db') });
    try {
      const rows: Row[] = [];
      for (const [kind, make] of [
        ['texts', texts()],
        ['noise', noise],
      ] as const) {
        say(`vectors: ${kind}`);
        rows.push(...(await measured(store, kind, make, scale.passages)));
      }
      return rows;
    } finally {
      await store.close();
      rmSync(dir, { recursive: true });
    }
  },
};

type Make = (random: () => number) => Float32Array;

/** Any direction: the hardest there is, since no passage is much nearer than others. */
const noise: Make = (random) => unit(Float32Array.from({ length: dimension }, () => normal(random)));

/** As models make them: all lean to one side, and those of one subject are near each other. */
function texts(): Make {
  const seeded = randomFrom(3);
  const side = noise(seeded);
  const centres = Array.from({ length: subjects }, () => noise(seeded));
  return (random) => {
    const centre = centres[Math.floor(random() * subjects)] ?? side;
    const own = noise(random);
    return unit(own.map((value, at) => value * 0.6 + (centre[at] as number) + 1.2 * (side[at] as number)));
  };
}

async function measured(store: Store, collection: string, make: Make, count: number): Promise<Row[]> {
  const random = randomFrom(1);
  const all = new Float32Array(count * dimension);
  const placeOf = new Map<string, number>();
  await store.embedBy(collection, { model: 'made-up', digest: collection, dimension });
  for (let from = 0; from < count; from += batch) {
    const chunks = Array.from({ length: Math.min(batch, count - from) }, (_, at) => ({
      ...{ text: `${from + at}`, startLine: 1, endLine: 1, headings: [], symbols: [] },
    }));
    const source = { key: `${from}`, path: `${from}`, title: null, revision: null, hash: '' };
    await store.apply(collection, [{ kind: 'put', source, chunks }]);
  }
  for (let after = 0; ; ) {
    const lacking = await store.unembedded(collection, after, batch);
    if (lacking.length === 0) break;
    const given = lacking.map(({ id, text }) => {
      const vector = make(random);
      all.set(vector, placeOf.size * dimension);
      placeOf.set(text, placeOf.size);
      return { passage: id, vector };
    });
    await store.addVectors(collection, given);
    after = lacking.at(-1)?.id ?? 0;
  }
  const begunMs = performance.now();
  await store.nearest({ collection, vector: make(random), limit: nearest });
  const loadMs = performance.now() - begunMs;
  const [times, exactTimes]: [number[], number[]] = [[], []];
  let right = 0;
  for (let n = -warmUp; n < queries; n += 1) {
    const query = make(random);
    const [foundMs, found] = await timed(() => store.nearest({ collection, vector: query, limit: nearest }));
    const [exactMs, exact] = await timed(async () => exactly(all, query));
    if (n < 0) continue;
    times.push(foundMs);
    exactTimes.push(exactMs);
    right += found.filter(({ text }) => exact.has(placeOf.get(text) ?? -1)).length;
  }
  const name = `vectors.${collection}`;
  const one = { name: 'each compared in full', value: percentile(exactTimes, 0.5) };
  return [
    row(`${name}.load`, loadMs, 'ms'),
    comparedRow(`${name}.query.p50`, percentile(times, 0.5), 'ms', one),
    row(`${name}.query.p99`, percentile(times, 0.99), 'ms'),
    row(`${name}.recall10`, right / (queries * nearest), ''),
  ];
}

async function timed<T>(work: () => Promise<T>): Promise<readonly [ms: number, result: T]> {
  const begunMs = performance.now();
  const result = await work();
  return [performance.now() - begunMs, result];
}

/** Places of the nearest. */
function exactly(all: Float32Array, query: Float32Array): ReadonlySet<number> {
  const best: { readonly place: number; readonly score: number }[] = [];
  for (let place = 0, at = 0; at < all.length; place += 1) {
    let score = 0;
    for (let value = 0; value < dimension; value += 1, at += 1)
      score += (all[at] as number) * (query[value] as number);
    if (best.length === nearest && score <= (best.at(-1)?.score ?? 0)) continue;
    best.push({ place, score });
    best.sort((a, b) => b.score - a.score);
    best.length = Math.min(best.length, nearest);
  }
  return new Set(best.map(({ place }) => place));
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** Box and Muller's. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
