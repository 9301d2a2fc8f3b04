/**
 * Which collections there are: whose, who may ask them, and what was added to each: files and folders of machines. In a file
 * beside the store, which knows single files.
 *
 * 1. A root is noted before anything of it is stored, and let go when all of it is gone: nothing is in a collection without one.
 */
import { readFile } from 'node:fs/promises';
import {
  type Failure,
  failure,
  type Readers,
  readersSchema,
  redactedKinds,
  type SourceName,
} from '@gryphgen/protocol';
import { isMissing, replacePrivateFile } from '@gryphgen/runtime';
import { z } from 'zod';
import type { Access } from '../core/access/rights.ts';

const rootSchema = z.object({
  machine: z.string(),
  path: z.string(),
  /** Wall ms; 0: not yet to its end. */
  syncedAt: z.number(),
  /** The commit that it is as of; none while it is being synced. */
  revision: z.string().optional(),
});
const rootsSchema = z.array(rootSchema);
/** `names`: sealed by the collection's key, in base64; `check`: of that key. */
const redactionSchema = z.object({
  kinds: z.array(z.enum(redactedKinds)),
  names: z.string(),
  check: z.string(),
});
/** What is kept of one, and goes with its copies. */
export const collectionEntrySchema = z.object({
  owner: z.string().nullable(),
  readers: readersSchema,
  redaction: redactionSchema.optional(),
  roots: rootsSchema,
});
/** Of version 1 nobody is known to be an owner. */
const fileSchema = z.discriminatedUnion('version', [
  z.object({ version: z.literal(1), collections: z.record(z.string(), rootsSchema) }),
  z.object({ version: z.literal(2), collections: z.record(z.string(), collectionEntrySchema) }),
]);

export type Root = z.infer<typeof rootSchema>;
type KeptRedaction = z.infer<typeof redactionSchema>;
type Entry = Readonly<z.infer<typeof collectionEntrySchema>>;

/** Whose a collection is that begins, and who may ask it then; without: nobody's, and everybody. */
export interface Beginning {
  readonly owner?: string | undefined;
  readonly readers?: Readers;
}

/** Of one service: each is a label of its worker. */
const mostCollections = 32;

const ownerless: Entry = { owner: null, readers: 'everyone', roots: [] };

export class Roots {
  private readonly file: string;
  private readonly collections: Map<string, Entry>;

  private constructor(file: string, collections: Map<string, Entry>) {
    this.file = file;
    this.collections = collections;
  }

  /** Rejects when the file is there and makes no sense. */
  static async load(file: string): Promise<Roots> {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (text === undefined) return new Roots(file, new Map());
    const read = fileSchema.safeParse(JSON.parse(text));
    if (!read.success)
      throw new Error(`${file} is damaged, or of a later version: ${read.error.issues[0]?.message}`);
    const entries: [string, Entry][] =
      read.data.version === 1
        ? Object.entries(read.data.collections).map(([name, roots]) => [name, { ...ownerless, roots }])
        : Object.entries(read.data.collections);
    return new Roots(file, new Map(entries));
  }

  get names(): readonly string[] {
    return [...this.collections.keys()].sort();
  }

  of(collection: string): readonly Root[] {
    return this.collections.get(collection)?.roots ?? [];
  }

  /** Undefined where there is no such collection. */
  accessOf(collection: string): Access | undefined {
    return this.collections.get(collection);
  }

  /** Begins it when it is not there. */
  async allow(collection: string, { owner, readers }: Access): Promise<void> {
    await this.write(collection, { ...(this.collections.get(collection) ?? ownerless), owner, readers });
  }

  entryOf(collection: string): Entry | undefined {
    return this.collections.get(collection);
  }

  /** It is there, or begins to be its owner's. */
  async begin(collection: string, { owner, readers }: Beginning): Promise<Failure | undefined> {
    const why = this.full(collection);
    if (why === undefined && !this.collections.has(collection))
      await this.allow(collection, { owner: owner ?? null, readers: readers ?? 'everyone' });
    return why;
  }

  /** It is there as it is where it was copied from. */
  async become(collection: string, entry: Entry): Promise<Failure | undefined> {
    const why = this.full(collection);
    if (why === undefined) await this.write(collection, entry);
    return why;
  }

  redactionOf(collection: string): KeptRedaction | undefined {
    return this.collections.get(collection)?.redaction;
  }

  async redact(collection: string, redaction: KeptRedaction): Promise<void> {
    await this.write(collection, { ...(this.collections.get(collection) ?? ownerless), redaction });
  }

  async note(collection: string, root: Root): Promise<void> {
    const entry = this.collections.get(collection) ?? ownerless;
    const isKnown = entry.roots.some((one) => isSame(one, root));
    const roots = isKnown
      ? entry.roots.map((one) => (isSame(one, root) ? root : one))
      : [...entry.roots, root];
    await this.write(collection, { ...entry, roots });
  }

  /** Without a root: all of them, and the collection. */
  async forget(collection: string, root: SourceName | undefined): Promise<void> {
    const entry = this.collections.get(collection);
    if (entry === undefined) return;
    const roots = root === undefined ? [] : entry.roots.filter((one) => !isSame(one, root));
    await this.write(collection, roots.length === 0 ? undefined : { ...entry, roots });
  }

  /** No other one is begun here. */
  private full(collection: string): Failure | undefined {
    if (this.collections.has(collection) || this.collections.size < mostCollections) return undefined;
    return failure('rejected.limit', `there are ${mostCollections} collections here, and no more are taken`);
  }

  /** Undefined: it is gone. */
  private async write(collection: string, entry: Entry | undefined): Promise<void> {
    const next = new Map(this.collections);
    if (entry !== undefined) next.set(collection, entry);
    else next.delete(collection);
    await replacePrivateFile(
      this.file,
      JSON.stringify({ version: 2, collections: Object.fromEntries(next) }),
    );
    if (entry !== undefined) this.collections.set(collection, entry);
    else this.collections.delete(collection);
  }
}

function isSame(a: SourceName, b: SourceName): boolean {
  return a.machine === b.machine && a.path === b.path;
}
