/**
 * What of collections a service has, as the broker is told of it, and held against the broker's word (E40).
 *
 * 1. A unit (shard-units.ts) is changed under the owner epoch that the lease names, and under no older one.
 * 2. What it has of an epoch before is gone before it is changed under another: others may have owned it in between.
 */
import { type Failure, failure, type IngestResult, shardsOnLabel } from '@gryphgen/protocol';
import type { ShardEpochs } from './shard-epochs.ts';
import { shardOfUnit } from './shard-units.ts';

/** Of what was there before there were epochs: the broker knows it by that one. */
const firstEpoch = 1;

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
      const { collection, index, of } = shardOfUnit(unit);
      const one = { index, epoch: this.epochs.of(unit) ?? firstEpoch };
      const known = found.get(collection);
      if (known?.of === of) known.held.push(one);
      else if (known === undefined || known.held.every(({ epoch }) => epoch < one.epoch))
        found.set(collection, { of, held: [one] });
    }
    return Object.fromEntries([...found].map(([name, held]) => shardsOnLabel(name, held)));
  }

  /** It is changed under this epoch from now on; why not, where it is known by a newer one. One change at a time. */
  async hold(unit: string, epoch: number): Promise<Failure | undefined> {
    const known = this.knownOf(unit);
    if (known !== undefined && known > epoch)
      return failure(
        'rejected.state',
        `${unit} is known here by owner epoch ${known}, and this is of ${epoch}: expected the newest`,
      );
    if (known !== undefined && known < epoch) {
      const gone = await this.units.drop(unit);
      if ('code' in gone) return gone;
    }
    if (this.epochs.of(unit) !== epoch) await this.epochs.note(unit, epoch);
    return undefined;
  }

  /** Why it is not answered from: it is not what this epoch's owner has. */
  stale(unit: string, epoch: number): Failure | undefined {
    const known = this.knownOf(unit);
    if (known === undefined || known === epoch) return undefined;
    return failure(
      'rejected.state',
      `what is here of ${unit} is of owner epoch ${known}, and ${epoch} is asked for: sync it again`,
    );
  }

  /** Undefined of what is not here: of that a broker that was restored may know less than was once. */
  private knownOf(unit: string): number | undefined {
    return this.units.names().includes(unit) ? (this.epochs.of(unit) ?? firstEpoch) : undefined;
  }
}
