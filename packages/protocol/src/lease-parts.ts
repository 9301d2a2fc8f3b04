/** What a lease holds beside names and numbers, by position: devices, and the shard that its task is for. */
import type { ShardHold } from './collection-shards.ts';
import { mostShardEpoch } from './held-shards.ts';
import type { DeviceUuid } from './ids.ts';
import { limits } from './limits.ts';
import { Malformed, type MsgpackReader, need } from './msgpack-reader.ts';
import type { DeviceShare } from './resources.ts';

const safe = Number.MAX_SAFE_INTEGER;
/** Of a principal's name, in UTF-8. */
const byBytes = limits.nameChars * 3;

export function sharesTuple(devices: readonly DeviceShare[]): readonly unknown[] {
  return devices.map((share) => [share.uuid, share.vramBytes, share.whole]);
}

export function readShares(reader: MsgpackReader): readonly DeviceShare[] {
  const devices: DeviceShare[] = [];
  const shares = reader.array('lease.devices');
  if (shares > limits.devices) throw new Malformed(`lease.devices are ${shares}, at most ${limits.devices}`);
  for (let index = 0; index < shares; index++) {
    const fields = reader.array('lease.devices');
    need('lease.devices', fields, 3);
    devices.push({
      uuid: reader.string('lease.devices.uuid', limits.uuidChars) as DeviceUuid,
      vramBytes: reader.integer('lease.devices.vramBytes', 0, safe),
      whole: reader.boolean('lease.devices.whole'),
    });
    reader.skip(fields - 3);
  }
  return devices;
}

export function shardTuple({ index, of, epoch, by, copies }: ShardHold): readonly unknown[] {
  if (copies === undefined) return [index, of, epoch, by];
  const { version, base, isCopy, byBroker } = copies;
  return [index, of, epoch, by, version, base?.epoch ?? 0, base?.version ?? 0, isCopy, byBroker];
}

export function readShard(reader: MsgpackReader): ShardHold {
  const fields = reader.array('lease.shard');
  need('lease.shard', fields, 3);
  const index = reader.integer('lease.shard.index', 0, limits.shards - 1);
  const of = reader.integer('lease.shard.of', 1, limits.shards);
  const epoch = reader.integer('lease.shard.epoch', 1, mostShardEpoch);
  // The first brokers of shards do not say whose.
  const by = (fields < 4 ? '' : reader.string('lease.shard.by', byBytes)) as ShardHold['by'];
  const hold = { index, of, epoch, by };
  if (fields < 9) {
    reader.skip(Math.max(0, fields - 4));
    return hold;
  }
  const version = reader.integer('lease.shard.version', 0, safe);
  const base = {
    epoch: reader.integer('lease.shard.base.epoch', 0, mostShardEpoch),
    version: reader.integer('lease.shard.base.version', 0, safe),
  };
  const isCopy = reader.boolean('lease.shard.isCopy');
  const byBroker = reader.boolean('lease.shard.byBroker');
  reader.skip(fields - 9);
  return { ...hold, copies: { version, base: base.epoch === 0 ? null : base, isCopy, byBroker } };
}
