/** Ids of MIG instances, which the XML report lacks: read from `nvidia-smi -L`. */
import { type DeviceUuid, isDeviceUuid } from '@gryphgen/protocol';

/** By the card's uuid and the instance's number on it, `GPU-… 0`. */
export type MigNames = ReadonlyMap<string, { readonly uuid: DeviceUuid; readonly profile: string }>;

/**
 * `GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-…)`, then a line for each of its instances:
 * `  MIG 1g.5gb      Device  0: (UUID: MIG-…)`.
 */
export function readMigNames(list: string): MigNames {
  const names = new Map<string, { readonly uuid: DeviceUuid; readonly profile: string }>();
  let card = '';
  for (const line of list.split('\n')) {
    const uuid = /\(UUID: ([^)]+)\)\s*$/.exec(line)?.[1] ?? '';
    const instance = /^\s+MIG (\S{1,32})\s+Device\s+([0-9]{1,3}):/.exec(line);
    if (/^GPU [0-9]+:/.test(line)) card = uuid;
    else if (instance !== null && isDeviceUuid(uuid))
      names.set(`${card} ${instance[2]}`, { uuid, profile: instance[1] ?? '' });
  }
  return names;
}
