/** Who holds a device's memory: the grid's attempts, each by itself, and everybody else together. */
import { type Device, type ForeignUse, limits } from '@gryphgen/protocol';
import { ascii } from './hardware.ts';
import type { DeviceProcess, DeviceReading } from './nvidia-smi-report.ts';

/** The attempt a process belongs to; null: none of ours; undefined: cannot be told. */
export type OwnerOf = (pid: number) => string | null | undefined;

export interface DeviceUse {
  readonly device: Device;
  /** Bytes each attempt holds, by its key; undefined when the driver does not tell what processes hold. */
  readonly byAttempt: ReadonlyMap<string, number> | undefined;
}

/**
 * `before`: the last reading of a device that attempts hold. When it cannot be told apart whose memory is whose, what
 * was foreign then is still taken for foreign.
 */
export function attribute(reading: DeviceReading, ownerOf: OwnerOf, before: Device | undefined): DeviceUse {
  const { device, processes } = reading;
  const byAttempt = new Map<string, number>();
  const foreign: ForeignUse[] = [];
  let ours = 0;
  let told = true;
  for (const process of processes) {
    const owner = ownerOf(process.pid);
    if (owner === null) foreign.push(foreignUse(process));
    else if (owner === undefined || process.vramBytes === undefined) told = false;
    else {
      byAttempt.set(owner, (byAttempt.get(owner) ?? 0) + process.vramBytes);
      ours += process.vramBytes;
    }
  }
  foreign.sort((a, b) => b.vramBytes - a.vramBytes);
  const foreignBytes =
    told || before === undefined ? Math.max(0, device.foreignBytes - ours) : before.foreignBytes;
  const shown = foreign.slice(0, limits.foreignShown);
  return {
    device: { ...device, foreignBytes, ...(shown.length > 0 ? { foreign: shown } : {}) },
    byAttempt: told ? byAttempt : undefined,
  };
}

/** The program's name without its folder or arguments: enough to find it, nothing of what it was told. */
function foreignUse({ pid, name, vramBytes = 0 }: DeviceProcess): ForeignUse {
  const program = name.split(' ')[0]?.split('/').at(-1) ?? '';
  return { pid, name: ascii(program, 64), vramBytes };
}
