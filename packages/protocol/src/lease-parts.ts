/** What a lease holds beside names and numbers, by position: devices, and the shard that its task is for. */
import { mostShardEpoch, type ShardHold } from './collection-shards.ts';
import type { DeviceUuid, PrincipalId } from './ids.ts';
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

export function shardTuple({ index, of, epoch, by }: ShardHold): readonly unknown[] {
  return [index, of, epoch, by];
}

export function readShard(reader: MsgpackReader): ShardHold {
  const fields = reader.array('lease.shard');
  need('lease.shard', fields, 4);
  const index = reader.integer('lease.shard.index', 0, limits.shards - 1);
  const of = reader.integer('lease.shard.of', 1, limits.shards);
  const epoch = reader.integer('lease.shard.epoch', 1, mostShardEpoch);
  const by = reader.string('lease.shard.by', byBytes) as PrincipalId | '';
  reader.skip(fields - 4);
  return { index, of, epoch, by };
}
