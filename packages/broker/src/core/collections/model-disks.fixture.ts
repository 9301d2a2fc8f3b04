/** What services with retrieval have of a shard, and do as they are asked: `packages/retrieval/src/service/held-shards.ts` as a model. */
import {
  type CopyHold,
  decodeBody,
  type IngestBody,
  type ShardHold,
  shardsLabel,
  shardsOnLabel,
} from '@gryphgen/protocol';

export interface Content {
  readonly epoch: number;
  readonly version: number;
  readonly changes: ReadonlySet<number>;
}

/** What one machine has of the shard, on its disk. */
interface Kept extends Content {
  readonly isCopy: boolean;
  /** The copy that what is owned went on from. */
  readonly from?: CopyHold['base'];
}

/** Of all machines, by worker; with the artifacts that the grid has. */
export class ModelDisks {
  readonly kept = new Map<string, Kept>();
  private readonly artifacts: Content[] = [];

  told(id: string) {
    const kept = this.kept.get(id);
    const { epoch = 1, version = 0, isCopy = false } = kept ?? {};
    const label = kept && !isCopy ? [shardsOnLabel('docs', { of: 1, held: [{ index: 0, epoch }] })] : [];
    const shard = {
      collection: 'docs',
      index: 0,
      of: 1,
      epoch,
      version,
      ...(isCopy && { isCopy: true as const }),
    };
    return {
      capabilities: ['ingest', 'retrieve'],
      labels: { [shardsLabel.name]: shardsLabel.value, ...Object.fromEntries(label) },
      retrieval: { copyKey: id.padEnd(43, 'k'), shards: kept === undefined ? [] : [shard] },
    };
  }

  /** As `HeldShards.hold`, and then the change. Undefined: refused. */
  changed(id: string, hold: ShardHold, change: number): object | undefined {
    const kept = this.kept.get(id);
    if (kept !== undefined && kept.version > 0 && kept.epoch > hold.epoch) return undefined;
    const own = kept !== undefined && isAsOf(kept, hold) ? kept : undefined;
    const changes = new Set([...(own?.changes ?? []), change]);
    const version = Math.max(own?.version ?? 0, hold.copies?.version ?? 0) + 1;
    this.kept.set(id, { epoch: hold.epoch, version, isCopy: false, changes, from: own ? copyIn(own) : null });
    return {};
  }

  carry(id: string, hold: ShardHold, bodyHash: string): object | undefined {
    const read = decodeBody(Uint8Array.from(JSON.parse(bodyHash) as number[]));
    const body = (read.ok ? read.value : undefined) as IngestBody;
    const kept = this.kept.get(id);
    if (body.op === 'copy') {
      if (kept === undefined || !isAsOf(kept, hold)) return undefined;
      const owned = { ...kept, epoch: hold.epoch, isCopy: false, from: copyIn(kept) };
      this.kept.set(id, owned);
      this.artifacts.push(owned);
      const digest = `sha256:${String(this.artifacts.length - 1).padStart(64, '0')}`;
      return { outputs: [{ path: '/out/copy', digest, bytes: 1, copied: true }] };
    }
    if (body.op === 'letGo') {
      if (kept?.isCopy !== true) return undefined;
      this.kept.set(id, { ...kept, version: 0, changes: new Set() });
      return {};
    }
    if (body.op !== 'follow') return undefined;
    const made = this.artifacts[Number(body.inputs[0]?.digest.slice('sha256:'.length))];
    const isOwn = kept !== undefined && !kept.isCopy && kept.epoch === hold.epoch;
    const isNewer = kept !== undefined && kept.version > 0 && kept.epoch > hold.epoch;
    if (made?.epoch !== hold.epoch || isOwn || isNewer) return undefined;
    this.kept.set(id, { ...made, isCopy: true });
    return {};
  }
}

function isAsOf(kept: Kept, hold: ShardHold): boolean {
  if (!kept.isCopy && kept.epoch === hold.epoch) return true;
  const base = hold.copies?.base;
  const copy = copyIn(kept);
  if (base == null || copy === null || kept.epoch >= hold.epoch) return false;
  return copy.epoch > base.epoch || (copy.epoch === base.epoch && copy.version >= base.version);
}

function copyIn({ epoch, version, isCopy, from = null }: Kept): CopyHold['base'] {
  if (!isCopy) return from;
  return version === 0 ? null : { epoch, version };
}
