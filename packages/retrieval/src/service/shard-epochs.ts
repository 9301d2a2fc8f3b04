/** Under which owner epoch each unit (shard-units.ts) was changed last: a file beside the store. */
import { readFile } from 'node:fs/promises';
import { isMissing, replacePrivateFile } from '@gryphgen/runtime';
import { z } from 'zod';

/** Those of units that are gone stay, for want of who would say so: the first that were noted go first. */
const mostEpochs = 1024;

const fileSchema = z.object({
  version: z.literal(1),
  epochs: z.array(z.tuple([z.string(), z.number().int().min(1)])),
});

export class ShardEpochs {
  private readonly file: string;
  private readonly epochs: Map<string, number>;

  private constructor(file: string, epochs: Map<string, number>) {
    this.file = file;
    this.epochs = epochs;
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
    return new ShardEpochs(file, new Map(read.data.epochs));
  }

  /** Undefined of one that was never changed by a lease with an epoch. */
  of(unit: string): number | undefined {
    return this.epochs.get(unit);
  }

  async note(unit: string, epoch: number): Promise<void> {
    const next = new Map(this.epochs);
    next.delete(unit);
    next.set(unit, epoch);
    const [oldest] = next.keys();
    if (next.size > mostEpochs && oldest !== undefined) next.delete(oldest);
    await replacePrivateFile(this.file, JSON.stringify({ version: 1, epochs: [...next] }));
    this.epochs.set(unit, epoch);
    if (oldest !== undefined && !next.has(oldest)) this.epochs.delete(oldest);
  }
}
