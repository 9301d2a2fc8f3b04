/**
 * As of what each unit (shard-units.ts) is here: a file beside the store.
 *
 * 1. `version` counts the changes of a shard. A change is counted before anything of it is done, a copy when all of it is
 *    there: what has a version has everything that was acknowledged by it.
 */
import { readFile } from 'node:fs/promises';
import { isMissing, replacePrivateFile } from '@gryphgen/runtime';
import { z } from 'zod';

/** Those of units that are gone stay, for want of who would say so: the first of these that were noted go first. */
const mostEpochs = 1024;

const epoch = z.number().int().min(1);
const count = z.number().int().min(0);
const fileSchema = z.discriminatedUnion('version', [
  z.object({ version: z.literal(1), epochs: z.array(z.tuple([z.string(), epoch])) }),
  z.object({
    version: z.literal(2),
    epochs: z.array(z.tuple([z.string(), epoch, count, z.boolean(), count])),
    // Programs of before pass over it.
    from: z.array(z.tuple([z.string(), epoch, count])).default([]),
  }),
]);

export interface Standing {
  /** Of the owner that changed it last, or whose copy it is. */
  readonly epoch: number;
  /** 0: of a copy that was never all there. */
  readonly version: number;
  readonly isCopy: boolean;
  /** Of a copy from which something was taken out, or that was told who may ask it: what is older than this version of its owner's would undo that. */
  readonly least?: number;
  /** Of what is owned: the copy that it went on from. */
  readonly from?: { readonly epoch: number; readonly version: number } | undefined;
}

/** Of what was changed before changes were counted. */
export function ownedSince(epoch: number): Standing {
  return { epoch, version: 1, isCopy: false };
}

export class ShardEpochs {
  private readonly file: string;
  private readonly standings: Map<string, Standing>;

  private constructor(file: string, standings: Map<string, Standing>) {
    this.file = file;
    this.standings = standings;
  }

  /** Rejects when the file is there and makes no sense. */
  static async load(file: string): Promise<ShardEpochs> {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (text === undefined) return new ShardEpochs(file, new Map());
    const read = fileSchema.safeParse(JSON.parse(text));
    if (!read.success)
      throw new Error(`${file} is damaged, or of a later version: ${read.error.issues[0]?.message}`);
    if (read.data.version === 1)
      return new ShardEpochs(
        file,
        new Map(read.data.epochs.map(([unit, epoch]) => [unit, ownedSince(epoch)])),
      );
    const from = new Map(read.data.from.map(([unit, epoch, version]) => [unit, { epoch, version }]));
    const known = read.data.epochs.map(
      ([unit, epoch, version, isCopy, least]) =>
        [unit, { epoch, version, isCopy, least, from: from.get(unit) }] as const,
    );
    return new ShardEpochs(file, new Map(known));
  }

  /** Undefined of one that was never changed by a lease with an epoch. */
  of(unit: string): Standing | undefined {
    return this.standings.get(unit);
  }

  /** Of units that are gone, too; the one that was noted last is the last. */
  names(): readonly string[] {
    return [...this.standings.keys()];
  }

  /** `here`: the units that are. */
  async note(unit: string, standing: Standing, here: readonly string[]): Promise<void> {
    const next = new Map(this.standings);
    next.delete(unit);
    next.set(unit, standing);
    const oldest = [...next.keys()].find((name) => name !== unit && !here.includes(name));
    if (next.size > mostEpochs && oldest !== undefined) next.delete(oldest);
    const epochs = [...next].map(([name, { epoch, version, isCopy, least = 0 }]) => [
      name,
      epoch,
      version,
      isCopy,
      least,
    ]);
    const from = [...next].flatMap(([name, { from: copy }]) =>
      copy === undefined ? [] : [[name, copy.epoch, copy.version]],
    );
    await replacePrivateFile(this.file, JSON.stringify({ version: 2, epochs, from }));
    this.standings.set(unit, standing);
    if (oldest !== undefined && !next.has(oldest)) this.standings.delete(oldest);
  }
}
