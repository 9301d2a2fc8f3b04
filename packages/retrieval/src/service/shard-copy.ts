/**
 * What is here of a shard as a folder of files, and a shard that becomes what such a folder says (E43): `about.json`, and sealed
 * (copy-seal.ts) `whose`, `learned`, and a line for each source in `00` to `ff`, by a hash of its key.
 *
 * 1. The same content makes the same bytes, but for `about.json`: what has not changed since the last copy is in files that the
 *    grid has already, and is not carried again. Nor is it written again by who has it: lines are compared first.
 * 2. What is new is put before anything is removed: who is cut off has all of the former copy, but for what it replaced.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path/posix';
import { isMissing } from '@gryphgen/runtime';
import { z } from 'zod';
import type { CopiedLearning, CopiedSource, Embedding, Store } from '../store/store.ts';
import { lineOf, readLine } from './copied-lines.ts';
import type { CopySeal } from './copy-seal.ts';
import { collectionEntrySchema } from './roots.ts';

/** Sources of one transaction: others write in between. */
const mostAtOnce = 64;
const parts = Array.from({ length: 256 }, (_, at) => at.toString(16).padStart(2, '0'));

const count = z.number().int().min(0);
const aboutSchema = z.object({
  format: z.literal(1),
  unit: z.string(),
  epoch: count,
  version: count,
  /** What opens the rest, and then the key that the collection is redacted by, for each who is to have it (copy-key.ts). */
  keys: z.array(z.object({ for: z.string(), sealed: z.string() })),
});
export type CopyAbout = Readonly<z.infer<typeof aboutSchema>>;

const whoseSchema = z.object({
  /** null: nothing is there by that name. */
  entry: collectionEntrySchema.nullable(),
  embedding: z.object({ model: z.string(), digest: z.string(), dimension: count }).nullable(),
});
export type CopyWhose = Readonly<z.infer<typeof whoseSchema>>;

/** A copy's folder, and what opens it. */
export interface OpenCopy {
  readonly folder: string;
  readonly unit: string;
  readonly seal: CopySeal;
}

const learnedSchema: z.ZodType<CopiedLearning> = z.object({
  feedback: z.array(
    z.object({
      key: z.string(),
      query: z.string(),
      lines: z.tuple([z.number(), z.number()]).nullable(),
      verdict: z.enum(['good', 'used', 'bad']),
    }),
  ),
  versions: z.array(
    z.object({
      version: count,
      upTo: count,
      strength: z.number(),
      queries: z.number(),
      before: z.number(),
      after: z.number(),
      at: z.number(),
      like: z.number().nullable(),
    }),
  ),
});

/** Into a folder that is there and empty; nothing of the shard is changed meanwhile. */
export async function writeCopy(
  store: Store,
  about: CopyAbout,
  whose: CopyWhose,
  { folder, unit, seal }: OpenCopy,
): Promise<void> {
  const write = (name: string, text: string) => writeFile(join(folder, name), seal.seal(name, text));
  for (const [part, keys] of await keysByPart(store, unit)) {
    const lines = await linesOf(store, unit, keys);
    await write(part, [...lines.values()].join('\n'));
  }
  await write('learned', JSON.stringify(await store.copiedLearning(unit)));
  await write('whose', JSON.stringify(whose));
  await writeFile(join(folder, 'about.json'), JSON.stringify(about));
}

/** Throws where it is none, or one of a later program. */
export async function readAbout(folder: string): Promise<CopyAbout> {
  return aboutSchema.parse(JSON.parse(await readFile(join(folder, 'about.json'), 'utf8')));
}

export async function readWhose({ folder, seal }: OpenCopy): Promise<CopyWhose> {
  return whoseSchema.parse(JSON.parse(seal.open('whose', await readFile(join(folder, 'whose')))));
}

interface Taking {
  readonly signal: AbortSignal;
  /** Something that the former copy had is going to be gone before the new one is there. */
  readonly emptied: () => Promise<void>;
}

/** Its sources, vectors and what it learned; the rest is the service's. Rejects with the signal's reason when it is aborted. */
export async function takeCopy(
  store: Store,
  { embedding }: CopyWhose,
  copy: OpenCopy,
  { signal, emptied }: Taking,
): Promise<void> {
  const { folder, unit, seal } = copy;
  await embedAlike(store, unit, embedding, emptied);
  const own = await keysByPart(store, unit);
  const gone: string[] = [];
  for (const part of parts) {
    signal.throwIfAborted();
    const given = new Set(await givenLines(copy, part));
    const has = await linesOf(store, unit, own.get(part) ?? []);
    const isHere = new Set(has.values());
    const changed = [...given].filter((line) => !isHere.has(line)).map(readLine);
    for (let at = 0; at < changed.length; at += mostAtOnce)
      await store.apply(unit, changed.slice(at, at + mostAtOnce));
    const comesAgain = new Set(changed.map(({ source }) => source.key));
    for (const [key, line] of has) if (!given.has(line) && !comesAgain.has(key)) gone.push(key);
  }
  await store.apply(
    unit,
    gone.map((key) => ({ kind: 'remove', key })),
  );
  const text = seal.open('learned', await readFile(join(folder, 'learned')));
  if (text !== JSON.stringify(await store.copiedLearning(unit)))
    await store.learnAs(unit, learnedSchema.parse(JSON.parse(text)));
}

/** Vectors of another model would be compared with those that come. */
async function embedAlike(
  store: Store,
  unit: string,
  embedding: Embedding | null,
  emptied: () => Promise<void>,
): Promise<void> {
  const has = (await store.embedding(unit)) ?? null;
  if (has?.digest === embedding?.digest && has?.dimension === embedding?.dimension) {
    if (embedding !== null && has?.model !== embedding.model) await store.embedBy(unit, embedding);
    return;
  }
  await emptied();
  // A store has no word for a collection that had vectors and has none any more.
  if (embedding === null) await store.drop(unit);
  else await store.embedBy(unit, embedding, true);
}

async function keysByPart(store: Store, unit: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const byPart = new Map<string, string[]>();
  for (const { key } of await store.sources(unit)) {
    const part = createHash('sha256').update(key).digest('hex').slice(0, 2);
    const known = byPart.get(part);
    if (known === undefined) byPart.set(part, [key]);
    else known.push(key);
  }
  return byPart;
}

/** By key. */
async function linesOf(
  store: Store,
  unit: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const lines = new Map<string, string>();
  for (let at = 0; at < keys.length; at += mostAtOnce) {
    const copied: readonly CopiedSource[] = await store.copied(unit, keys.slice(at, at + mostAtOnce));
    for (const one of copied) lines.set(one.source.key, lineOf(one));
  }
  return lines;
}

async function givenLines({ folder, seal }: OpenCopy, part: string): Promise<readonly string[]> {
  const sealed = await readFile(join(folder, part)).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  return sealed === undefined ? [] : seal.open(part, sealed).split('\n');
}
