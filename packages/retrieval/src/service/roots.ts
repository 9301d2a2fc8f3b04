/**
 * What was added to each collection: files and folders of machines. In a file beside the store, which knows single files.
 *
 * 1. A root is noted before anything of it is stored, and let go when all of it is gone: nothing is in a collection without one.
 */
import { readFile } from 'node:fs/promises';
import type { SourceName } from '@gryphgen/protocol';
import { isMissing, replacePrivateFile } from '@gryphgen/runtime';
import { z } from 'zod';

const rootSchema = z.object({
  machine: z.string(),
  path: z.string(),
  /** Wall ms; 0: not yet to its end. */
  syncedAt: z.number(),
  /** The commit that it is as of; none while it is being synced. */
  revision: z.string().optional(),
});
const fileSchema = z.object({
  version: z.literal(1),
  collections: z.record(z.string(), z.array(rootSchema)),
});

export type Root = z.infer<typeof rootSchema>;

export class Roots {
  private readonly file: string;
  private readonly collections: Map<string, readonly Root[]>;

  private constructor(file: string, collections: Map<string, readonly Root[]>) {
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
    return new Roots(file, new Map(Object.entries(read.data.collections)));
  }

  get names(): readonly string[] {
    return [...this.collections.keys()].sort();
  }

  of(collection: string): readonly Root[] {
    return this.collections.get(collection) ?? [];
  }

  async note(collection: string, root: Root): Promise<void> {
    const roots = this.of(collection);
    const isKnown = roots.some((one) => isSame(one, root));
    await this.write(
      collection,
      isKnown ? roots.map((one) => (isSame(one, root) ? root : one)) : [...roots, root],
    );
  }

  /** Without a root: all of them, and the collection. */
  async forget(collection: string, root: SourceName | undefined): Promise<void> {
    await this.write(
      collection,
      root === undefined ? [] : this.of(collection).filter((one) => !isSame(one, root)),
    );
  }

  private async write(collection: string, roots: readonly Root[]): Promise<void> {
    const next = new Map(this.collections);
    if (roots.length > 0) next.set(collection, roots);
    else next.delete(collection);
    await replacePrivateFile(
      this.file,
      JSON.stringify({ version: 1, collections: Object.fromEntries(next) }),
    );
    if (roots.length > 0) this.collections.set(collection, roots);
    else this.collections.delete(collection);
  }
}

function isSame(a: SourceName, b: SourceName): boolean {
  return a.machine === b.machine && a.path === b.path;
}
