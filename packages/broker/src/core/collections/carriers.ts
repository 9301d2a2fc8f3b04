/** Which tasks carry copies of shards now, and what is known of each shard's: derived from tasks and their ends (E43). */
import { type ArtifactRef, readOutcome, type TaskId, type WorkerId } from '@gryphgen/protocol';
import type { Task } from '../state.ts';

const firstPauseMs = 1000;
const longestPauseMs = 60_000;

/** What of a shard is on its way: an observation of this epoch. */
export interface Transit {
  /** The shard's epoch and version that were seen last, and since when (watch ms). */
  epoch: number;
  version: number;
  seenAt: number;
  /** Since when a copy is behind; null: none is. */
  behindSince: number | null;
  /** The newest copy that was made, whom it can be opened by, and who was given it. */
  made: ArtifactRef | null;
  receivers: ReadonlySet<WorkerId>;
  readonly given: Set<WorkerId>;
  /** When it was made (watch ms), and how long that took. */
  madeAt: number;
  tookMs: number;
  /** Stored, and not yet accepted. */
  preparing: number;
  failures: number;
  tryAgainAt: number;
}

interface Carrier {
  readonly key: string;
  /** Of one that takes it; null of the one that makes it. */
  readonly worker: WorkerId | null;
}

export class Carrying {
  /** By task. */
  private readonly tasks = new Map<TaskId, Carrier>();
  private readonly transits = new Map<string, Transit>();

  transit(collection: string, index: number): Transit {
    const key = keyOf(collection, index);
    let transit = this.transits.get(key);
    if (transit === undefined) {
      transit = {
        ...{ epoch: 0, version: 0, seenAt: 0, behindSince: null, made: null, receivers: new Set() },
        ...{ given: new Set(), madeAt: 0, tookMs: 0, preparing: 0, failures: 0, tryAgainAt: 0 },
      };
      this.transits.set(key, transit);
    }
    return transit;
  }

  /** Those that are begun, and those that are to begin. */
  get count(): number {
    let count = this.tasks.size;
    for (const { preparing } of this.transits.values()) count += preparing;
    return count;
  }

  /** Who is making or taking one now. */
  underWay(collection: string, index: number): readonly Carrier[] {
    const key = keyOf(collection, index);
    return [...this.tasks.values()].filter((one) => one.key === key);
  }

  forget(names: ReadonlyMap<string, unknown>): void {
    for (const key of this.transits.keys())
      if (!names.has(key.slice(0, key.lastIndexOf(' ')))) this.transits.delete(key);
  }

  begun({ id, client, spec: { envelope } }: Task): void {
    const { kind, shard, constraints } = envelope;
    if (client !== '' || kind !== 'ingest' || shard === undefined) return;
    const worker = shard.at === 'copy' ? ((constraints.worker ?? '') as WorkerId) : null;
    this.tasks.set(id, { key: keyOf(shard.collection, shard.index), worker });
  }

  ended({ id, outcome }: Task, watch: number): void {
    const carrier = this.tasks.get(id);
    if (carrier === undefined) return;
    this.tasks.delete(id);
    const transit = this.transits.get(carrier.key);
    if (transit === undefined) return;
    if (outcome?.state !== 'succeeded') {
      transit.failures += 1;
      transit.tryAgainAt = watch + Math.min(longestPauseMs, firstPauseMs * 2 ** (transit.failures - 1));
      if (carrier.worker !== null) transit.made = null;
      return;
    }
    if (carrier.worker !== null) transit.failures = 0;
    const [left] = carrier.worker === null ? (readOutcome(outcome.outcome)?.outputs ?? []) : [];
    if (left === undefined) return;
    transit.made = { digest: left.digest, bytes: left.bytes };
    transit.given.clear();
    transit.madeAt = watch;
    transit.tookMs = Math.max(0, outcome.endedAt - outcome.leasedAt);
  }
}

function keyOf(collection: string, index: number): string {
  return `${collection} ${index}`;
}
