/**
 * What of collections a service has, as the broker is told of it, and held against the broker's word (E40, E43).
 *
 * 1. A unit (shard-units.ts) is changed under the owner epoch that the lease names, and under no older one.
 * 2. What it has of an epoch before is gone before it is changed under another: others may have owned it in between. But for the
 *    copy that the lease says this owner was chosen for, and what it made of that since, unheard.
 * 3. A copy is changed by what its owner has alone, and is nothing that the worker is labelled with.
 */
import {
  type CopyResult,
  type Failure,
  failure,
  type HeldShard,
  type IngestResult,
  limits,
  type ShardHold,
  shardsOnLabel,
} from '@gryphgen/protocol';
import { unknown } from './refusals.ts';
import { ownedSince, type ShardEpochs, type Standing } from './shard-epochs.ts';
import { shardOfUnit } from './shard-units.ts';

/** Of what was there before there were epochs: the broker knows it by that one. */
const first = ownedSince(1);

type Hold = Pick<ShardHold, 'epoch' | 'copies'>;

interface Units {
  /** Those that are here. */
  names(): readonly string[];
  drop(unit: string): Promise<IngestResult | Failure>;
}

export class HeldShards {
  private readonly epochs: ShardEpochs;
  private readonly units: Units;

  constructor(epochs: ShardEpochs, units: Units) {
    this.epochs = epochs;
    this.units = units;
  }

  /** Of its worker; of two partings of a collection the newer counts. */
  labels(): Readonly<Record<string, string>> {
    const found = new Map<string, { of: number; held: { index: number; epoch: number }[] }>();
    for (const unit of this.units.names()) {
      const { epoch, isCopy } = this.standing(unit) ?? first;
      if (isCopy) continue;
      const { collection, index, of } = shardOfUnit(unit);
      const known = found.get(collection);
      if (known?.of === of) known.held.push({ index, epoch });
      else if (known === undefined || known.held.every((one) => one.epoch < epoch))
        found.set(collection, { of, held: [{ index, epoch }] });
    }
    return Object.fromEntries([...found].map(([name, held]) => shardsOnLabel(name, held)));
  }

  /** What its worker reports: those that are here, and then those that are gone, the last first. */
  told(): readonly HeldShard[] {
    const here = this.units.names();
    const gone = this.epochs.names().filter((unit) => !here.includes(unit));
    return [...here, ...gone.reverse()].slice(0, limits.heldShards).map((unit) => {
      const { epoch, version, isCopy } = this.standing(unit) ?? first;
      const isGone = !here.includes(unit);
      return { ...shardOfUnit(unit), epoch, version, ...(isCopy && { isCopy }), ...(isGone && { isGone }) };
    });
  }

  standing(unit: string): Standing | undefined {
    return this.epochs.of(unit) ?? (this.units.names().includes(unit) ? first : undefined);
  }

  /** It is changed under this epoch from now on; why not, where it is known by a newer one. One change at a time. */
  async hold(unit: string, hold: Hold): Promise<Failure | undefined> {
    const { epoch, copies } = hold;
    const known = this.standing(unit);
    const isHere = this.isHere(unit);
    const newer = this.newer(unit, epoch);
    if (newer !== undefined) return newer;
    const isOwn = known !== undefined && isAsOf(known, hold);
    if (isHere && !isOwn) {
      const gone = await this.units.drop(unit);
      if ('code' in gone) return gone;
    }
    // What begins anew in an epoch that was told of before is a change after that.
    const before = Math.max(isOwn ? known.version : 0, copies?.version ?? 0);
    const from = isOwn ? copyIn(known) : undefined;
    await this.note(unit, { epoch, version: before + 1, isCopy: false, from });
    return undefined;
  }

  /** As its owner of this epoch has it: why that is not here. One that was chosen for its copy owns it from now on. */
  async own(unit: string, hold: Hold): Promise<Failure | undefined> {
    const known = this.standing(unit);
    if (known === undefined) return unknown(unit);
    if (!isAsOf(known, hold)) return this.old(unit, known, hold);
    const { epoch } = hold;
    if (known.epoch !== epoch)
      await this.note(unit, { epoch, version: known.version, isCopy: false, from: copyIn(known) });
    return undefined;
  }

  /** Why it is not answered from: it is not what this epoch's owner has. */
  stale(unit: string, hold: Hold): Failure | undefined {
    const known = this.standing(unit);
    if (known === undefined || isAsOf(known, hold) || !this.isHere(unit)) return undefined;
    return this.old(unit, known, hold);
  }

  /** Why a copy is not answered from, or by how much it is behind: by none it is as its owner told of last. */
  copied(unit: string, { epoch, copies }: Hold): Failure | { readonly version: number; readonly of: number } {
    const known = this.standing(unit);
    if (known?.isCopy && known.epoch === epoch && known.version > 0)
      return { version: known.version, of: Math.max(copies?.version ?? 0, known.version) };
    return failure('rejected.state', `there is no copy of ${unit} of owner epoch ${epoch} here`);
  }

  /** Something is taken out of the copy, or told to it, as it was of what its owner has. */
  async takeOut(unit: string, hold: Hold): Promise<Failure | undefined> {
    const held = this.copied(unit, hold);
    if ('code' in held) return held;
    const { version, of: least } = held;
    await this.note(unit, { epoch: hold.epoch, version, isCopy: true, least });
    return undefined;
  }

  /** Why it does not become the owner's copy. What was here of a former epoch is where it begins from. */
  async beginCopy(unit: string, { epoch, version }: CopyResult): Promise<Failure | undefined> {
    const known = this.standing(unit);
    const newer = this.newer(unit, epoch);
    if (newer !== undefined) return newer;
    const { least = 0 } = known?.epoch === epoch ? known : {};
    if (version < least)
      return failure(
        'rejected.state',
        `a copy of ${unit} as of change ${version} has what was forgotten since: expected one of ${least} at least`,
      );
    if (known !== undefined && !known.isCopy && known.epoch === epoch && this.isHere(unit))
      return failure('rejected.state', `${unit} is owned here in owner epoch ${epoch}: expected another's`);
    if (known?.isCopy && known.epoch === epoch) return undefined;
    await this.note(unit, { epoch, version: 0, isCopy: true });
    return undefined;
  }

  /** All of this version is here. */
  async noteCopy(unit: string, epoch: number, version: number): Promise<void> {
    const known = this.standing(unit);
    const least = known?.epoch === epoch ? known.least : undefined;
    await this.note(unit, { epoch, version, isCopy: true, ...(least !== undefined && { least }) });
  }

  private async note(unit: string, standing: Standing): Promise<void> {
    await this.epochs.note(unit, standing, this.units.names());
  }

  private isHere(unit: string): boolean {
    return this.units.names().includes(unit);
  }

  private old(unit: string, known: Standing, { epoch }: Hold): Failure {
    return failure(
      'rejected.state',
      `what is here of ${unit} is of owner epoch ${known.epoch}, and ${epoch} is asked for: sync it again`,
    );
  }

  /** Of what is not here any more a broker that was restored may know less than was once. */
  private newer(unit: string, epoch: number): Failure | undefined {
    const known = this.isHere(unit) ? (this.standing(unit)?.epoch ?? 0) : 0;
    if (known <= epoch) return undefined;
    return failure(
      'rejected.state',
      `${unit} is known here by owner epoch ${known}, and this is of ${epoch}: expected the newest`,
    );
  }
}

/**
 * It is this owner's own, or the copy that it was made the owner for: or a later one, of an owner in between, which was on its
 * way to it then. Or what it made of such a copy as an owner before, of which the broker has not heard: it would not have been
 * chosen for that copy else.
 */
function isAsOf(known: Standing, hold: Hold): boolean {
  if (!known.isCopy && known.epoch === hold.epoch) return true;
  const base = hold.copies?.base;
  const copy = copyIn(known);
  if (base == null || copy === undefined || known.epoch >= hold.epoch) return false;
  return copy.epoch > base.epoch || (copy.epoch === base.epoch && copy.version >= base.version);
}

/** The copy that it is, or that it went on from. */
function copyIn({ epoch, version, isCopy, from }: Standing): Standing['from'] {
  if (!isCopy) return from;
  return version === 0 ? undefined : { epoch, version };
}
