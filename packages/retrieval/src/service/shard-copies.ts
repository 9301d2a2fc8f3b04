/**
 * Copies of shards: made of what this service owns, for others, and taken of what others own (E43).
 *
 * 1. A copy is as of one moment: it is made between two changes, each of which is counted and done in one turn (access-book.ts).
 * 2. Whose a collection is, and who may ask it, is known of a copy before anything of its texts is there.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path/posix';
import { type CopyResult, type Failure, failure, type ShardHold } from '@gryphgen/protocol';
import { ZodError } from 'zod';
import type { Redactions } from '../redact/redactions.ts';
import type { Store } from '../store/store.ts';
import { type CopyKey, keyBytes, sealFor } from './copy-key.ts';
import { CopySeal, NotSealed } from './copy-seal.ts';
import type { HeldShards } from './held-shards.ts';
import type { Roots } from './roots.ts';
import { type CopyWhose, readAbout, readWhose, takeCopy, writeCopy } from './shard-copy.ts';

type OwnerHold = Pick<ShardHold, 'epoch' | 'copies'>;

interface CopiesOptions {
  /** Of the service. */
  readonly folder: string;
  readonly roots: Roots;
  readonly copyKey: CopyKey;
  readonly redactions: Redactions;
  readonly shards: HeldShards;
  readonly opened: () => Promise<Store>;
  /** Between two changes (1). */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T | Failure>;
  readonly drop: (unit: string) => Promise<void>;
  /** What was learned of it may be another. */
  readonly changed: (unit: string) => void;
}

export class ShardCopies {
  private readonly options: CopiesOptions;

  constructor(options: CopiesOptions) {
    this.options = options;
  }

  /** By which others seal for this service. */
  get keyName(): string {
    return this.options.copyKey.name;
  }

  /**
   * `make` is given the folder that it is in, which goes when that is done. `receivers`: the services that it is for, by their
   * `keyName`.
   */
  async out<T>(
    unit: string,
    hold: OwnerHold,
    receivers: readonly string[],
    make: (folder: string, made: CopyResult) => Promise<T>,
  ): Promise<T | Failure> {
    await mkdir(this.copying, { recursive: true, mode: 0o700 });
    const folder = await mkdtemp(join(this.copying, 'copy-'));
    try {
      const made = await this.options.inTurn(() => this.written(unit, hold, receivers, folder));
      return 'code' in made ? made : await make(folder, made);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** What a life before this one was making. */
  async clear(): Promise<void> {
    await rm(this.copying, { recursive: true, force: true });
  }

  private get copying(): string {
    return join(this.options.folder, 'copying');
  }

  private async written(
    unit: string,
    hold: OwnerHold,
    receivers: readonly string[],
    folder: string,
  ): Promise<CopyResult | Failure> {
    const { shards, roots, redactions, copyKey, opened } = this.options;
    const why = await shards.own(unit, hold);
    if (why !== undefined) return why;
    const { epoch, version } = shards.standing(unit) ?? { epoch: hold.epoch, version: 0 };
    const redaction = await redactions.of(unit);
    if (redaction !== undefined && 'code' in redaction) return redaction;
    const secret = copyKey.secretOf(unit);
    const secrets = Buffer.concat([secret, (await redactions.secretFor(unit)) ?? new Uint8Array()]);
    const keys = receivers.flatMap((name) => {
      const sealed = sealFor(name, secrets);
      return sealed === undefined ? [] : [{ for: name, sealed }];
    });
    const store = await opened();
    const whose = {
      entry: roots.entryOf(unit) ?? null,
      embedding: (await store.embedding(unit)) ?? null,
    };
    const about = { format: 1, unit, epoch, version, keys } as const;
    await writeCopy(store, about, whose, { folder, unit, seal: new CopySeal(secret) });
    return { epoch, version };
  }

  /** It is here as the owner of this epoch had it, from now on. */
  async take(
    unit: string,
    epoch: number,
    folder: string,
    signal: AbortSignal,
  ): Promise<CopyResult | Failure> {
    return await this.options.inTurn(async () => {
      try {
        return await this.taken(unit, epoch, folder, signal);
      } catch (error) {
        if (signal.aborted && error === signal.reason) return failure('cancelled.user', 'it was stopped');
        if (!(error instanceof SyntaxError || error instanceof ZodError || error instanceof NotSealed))
          throw error;
        return failure('rejected.invalid', `the copy of ${unit} makes no sense: ${error.message}`);
      }
    });
  }

  private async taken(
    unit: string,
    epoch: number,
    folder: string,
    signal: AbortSignal,
  ): Promise<CopyResult | Failure> {
    const { shards, copyKey, drop, changed, opened } = this.options;
    const about = await readAbout(folder);
    if (about.unit !== unit || about.epoch !== epoch)
      return failure(
        'rejected.invalid',
        `a copy of ${about.unit} of owner epoch ${about.epoch}, expected one of ${unit} of ${epoch}`,
      );
    const sealed = about.keys.find((one) => one.for === copyKey.name)?.sealed;
    const secrets = sealed === undefined ? undefined : copyKey.open(sealed);
    if (secrets === undefined)
      return failure('rejected.state', `the copy of ${unit} came without a key for this service`);
    const copy = { folder, unit, seal: new CopySeal(secrets.subarray(0, keyBytes)) };
    const whose = await readWhose(copy);
    const why =
      (await shards.beginCopy(unit, about)) ?? (await this.settle(unit, whose, secrets.subarray(keyBytes)));
    if (why !== undefined) return why;
    const emptied = () => shards.noteCopy(unit, epoch, 0);
    if (whose.entry === null) {
      await emptied();
      await drop(unit);
    } else await takeCopy(await opened(), whose, copy, { signal, emptied });
    changed(unit);
    await shards.noteCopy(unit, epoch, about.version);
    return { epoch, version: about.version };
  }

  /** Of a shard that somebody else owns, nothing is here any more. */
  async letGo(unit: string): Promise<Partial<CopyResult> | Failure> {
    const { shards, drop, inTurn } = this.options;
    return await inTurn(async () => {
      const known = shards.standing(unit);
      if (known === undefined) return {};
      if (!known.isCopy)
        return failure('rejected.state', `${unit} is owned here: what is let go is a copy of another's`);
      await drop(unit);
      await shards.noteCopy(unit, known.epoch, 0);
      return {};
    });
  }

  /** Whose it is, and its key (2). `redacting`: empty where it keeps texts as they are. */
  private async settle(
    unit: string,
    { entry }: CopyWhose,
    redacting: Uint8Array,
  ): Promise<Failure | undefined> {
    const { roots, redactions } = this.options;
    if (entry === null) return undefined;
    if (entry.redaction !== undefined && redacting.length === 0)
      return failure('rejected.state', `the copy of ${unit}, which redacts, came without its key`);
    const why = await roots.become(unit, entry);
    if (why !== undefined) return why;
    if (redacting.length === 0) await redactions.drop(unit);
    else await redactions.keep(unit, redacting);
    return undefined;
  }
}
