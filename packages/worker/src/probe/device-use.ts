/**
 * Who holds a device's memory: the grid's attempts, each by itself, and everybody else together.
 *
 * 1. What an attempt holds beyond its reservation counts as foreign: like that, it is memory which no reservation
 *    covers and nobody else can have.
 */
import { type Device, type ForeignUse, limits } from '@gryphgen/protocol';
import type { SeenDevice } from '../core/device-claims.ts';
import type { ProcessOwner } from '../executors/process-owner.ts';
import { ascii } from './hardware.ts';
import type { DeviceProcess, DeviceReading } from './nvidia-smi-report.ts';

/** Of each process that could be looked at; of any other it cannot be told. */
export type Owners = ReadonlyMap<number, ProcessOwner>;

export interface DeviceUse {
  readonly device: Device;
  readonly seen: SeenDevice;
}

/** Of a device that no attempt holds. */
export function allForeign({ device, processes }: DeviceReading): Device {
  return { ...device, ...shown(processes.map(foreignUse)) };
}

/**
 * Of a device that attempts hold. `owners`: undefined when of no process it can be told whose it is. `reservedFor`: bytes
 * by attempt. `before`: the last reading; when it cannot be told apart whose memory is whose, what was foreign then is
 * still taken for foreign.
 */
export function attribute(
  { device, processes }: DeviceReading,
  owners: Owners | undefined,
  reservedFor: ReadonlyMap<string, number>,
  before: Device | undefined,
): DeviceUse {
  const usedBy = new Map<string, number>();
  const listedBytes = processes.reduce((sum, { vramBytes = 0 }) => sum + vramBytes, 0);
  const foreign: ForeignUse[] = [];
  let goneBytes = 0;
  let isTold = owners !== undefined;
  for (const process of processes) {
    const owner = owners?.get(process.pid) ?? { kind: 'unknown' };
    if (owner.kind === 'foreign') foreign.push(foreignUse(process));
    else if (owner.kind === 'gone') goneBytes += process.vramBytes ?? 0;
    else if (owner.kind === 'unknown' || process.vramBytes === undefined) isTold = false;
    else usedBy.set(owner.key, (usedBy.get(owner.key) ?? 0) + process.vramBytes);
  }
  const coveredBytes = [...usedBy].reduce(
    (sum, [key, bytes]) => sum + Math.min(bytes, reservedFor.get(key) ?? 0),
    goneBytes,
  );
  const foreignBytes =
    isTold || before === undefined ? Math.max(0, device.foreignBytes - coveredBytes) : before.foreignBytes;
  return {
    device: { ...device, foreignBytes, ...(isTold && { gridBytes: sumOf(usedBy) }), ...shown(foreign) },
    seen: {
      uuid: device.uuid,
      name: device.name,
      freeBytes: device.vramBytes - device.foreignBytes,
      unlistedBytes: Math.max(0, device.foreignBytes - listedBytes),
      usedBy: isTold ? usedBy : undefined,
    },
  };
}

function sumOf(usedBy: ReadonlyMap<string, number>): number {
  return [...usedBy.values()].reduce((sum, bytes) => sum + bytes, 0);
}

function shown(foreign: readonly ForeignUse[]): Partial<Device> {
  const largest = foreign.toSorted((a, b) => b.vramBytes - a.vramBytes).slice(0, limits.foreignShown);
  return largest.length > 0 ? { foreign: largest } : {};
}

/** The program's name without its folder or arguments: enough to find it, nothing of what it was told. */
function foreignUse({ pid, name, vramBytes = 0 }: DeviceProcess): ForeignUse {
  const program = name.split(' ')[0]?.split('/').at(-1) ?? '';
  return { pid, name: ascii(program, 64), vramBytes };
}
