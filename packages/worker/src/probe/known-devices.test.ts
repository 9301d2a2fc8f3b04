import type { Device, DeviceUuid } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import type { ProcessOwner } from '../executors/process-owner.ts';
import { attribute } from './device-use.ts';
import { KnownDevices } from './known-devices.ts';
import type { DeviceProcess } from './nvidia-smi-report.ts';

const MiB = 1024 * 1024;

function card(no: number, foreignBytes = 0): Device {
  const uuid = `GPU-${no}` as DeviceUuid;
  const name = no === 0 ? 'NVIDIA GeForce RTX 3060' : 'NVIDIA GeForce GTX 1060 6GB';
  return { uuid, index: no, name, vramBytes: 6064 * MiB, computeCapability: 61, driver: '1', foreignBytes };
}
const reading = (device: Device, processes: readonly DeviceProcess[] = []) => ({ device, processes });
function told(cards: readonly Device[], complete = true) {
  return {
    ok: true,
    reading: { devices: cards.map((one) => reading(one)), complete, problems: [] },
  } as const;
}
const holding = (uuid: DeviceUuid, vramBytes = 2000 * MiB) => [
  { key: '1.1.1', shares: [{ uuid, vramBytes, whole: false }] },
];
const failed = {
  ok: false,
  missing: false,
  why: 'nvidia-smi failed: Driver/library version mismatch',
} as const;

it('keeps its cards through a moment of trouble, and withdraws them when it lasts', () => {
  const known = new KnownDevices();
  known.take(told([card(0), card(1)]), [], undefined);
  for (const _ of [1, 2]) {
    known.take(failed, [], undefined);
    expect(known.devices).toHaveLength(2);
    expect(known.troubles).toEqual([failed.why]);
  }
  known.take(failed, [], undefined);
  expect(known.devices).toEqual([]);
  expect(known.troubles).toEqual([`${failed.why}; 2 cards that it showed before are not offered`]);
  known.take(told([card(0), card(1)]), [], undefined);
  expect(known.devices).toHaveLength(2);
  expect(known.troubles).toEqual([]);
});

it('is not troubled where there never was a driver', () => {
  const known = new KnownDevices();
  for (const _ of [1, 2, 3, 4])
    known.take({ ok: false, missing: true, why: 'nvidia-smi is not installed' }, [], undefined);
  expect(known.troubles).toEqual([]);
});

it('takes a card that a whole report lacks for lost until it is back; of a report cut short it keeps what it knew', () => {
  const known = new KnownDevices();
  known.take(told([card(0), card(1)]), [], undefined);
  known.take(told([card(0)], false), [], undefined);
  expect(known.devices).toHaveLength(2);
  known.take(told([card(0)]), [], undefined);
  known.take(told([card(0)]), [], undefined);
  expect(known.devices).toEqual([card(0)]);
  expect(known.troubles).toEqual(['NVIDIA GeForce GTX 1060 6GB (GPU-1) fell off: it was there before']);
  known.take(told([card(0), card(1)]), [], undefined);
  expect(known.troubles).toEqual([]);
});

it('names who holds a card outside the grid in plain letters, though another card is held', () => {
  const known = new KnownDevices();
  const processes = [{ pid: 7, name: '/opt/Übung/jeux-é', vramBytes: 9 * MiB }];
  const devices = [reading(card(0)), reading(card(1, 9 * MiB), processes)];
  const found = { ok: true, reading: { devices, complete: true, problems: [] } } as const;
  known.take(found, holding(card(0).uuid), new Map());
  expect(known.devices[1]?.foreign).toEqual([{ pid: 7, name: 'jeux-', vramBytes: 9 * MiB }]);
});

describe('a device that attempts hold', () => {
  const processes = [
    { pid: 1, name: '/usr/lib/xorg/Xorg -core', vramBytes: 100 * MiB },
    { pid: 2, name: 'python', vramBytes: 2000 * MiB },
    { pid: 3, name: 'python', vramBytes: 500 * MiB },
    { pid: 4, name: 'ended', vramBytes: 50 * MiB },
  ];
  const ours: ProcessOwner = { kind: 'attempt', key: '1.1.1' };
  const owners = new Map<number, ProcessOwner>([
    [1, { kind: 'foreign' }],
    [2, ours],
    [3, ours],
    [4, { kind: 'gone' }],
  ]);
  const full = reading(card(0, 2750 * MiB), processes);

  it('has the memory of attempts told from that of others', () => {
    const { device, seen } = attribute(full, owners, new Map([['1.1.1', 3000 * MiB]]), undefined);
    expect(seen).toMatchObject({ freeBytes: (6064 - 2750) * MiB, usedBy: new Map([['1.1.1', 2500 * MiB]]) });
    expect(device.foreignBytes).toBe(200 * MiB);
    expect(device.foreign).toEqual([{ pid: 1, name: 'Xorg', vramBytes: 100 * MiB }]);
  });

  it('has what an attempt holds beyond its reservation taken for nobody else’s to have', () => {
    const { device } = attribute(full, owners, new Map([['1.1.1', 2000 * MiB]]), undefined);
    expect(device.foreignBytes).toBe(700 * MiB);
    expect(attribute(full, owners, new Map(), undefined).device.foreignBytes).toBe(2700 * MiB);
  });

  it('keeps what was foreign before when nobody can tell', () => {
    const before = card(0, 300 * MiB);
    const untold = [
      attribute(full, new Map([...owners].slice(0, 2)), new Map(), before),
      attribute(full, undefined, new Map(), before),
      attribute(reading(full.device, []), undefined, new Map(), before),
      attribute(
        reading(full.device, [{ pid: 2, name: 'python', vramBytes: undefined }]),
        owners,
        new Map(),
        before,
      ),
    ];
    for (const { device, seen } of untold) {
      expect(seen.usedBy).toBeUndefined();
      expect(device.foreignBytes).toBe(300 * MiB);
    }
  });

  it('is what a look tells of, and no other', () => {
    const known = new KnownDevices();
    const other = reading(card(1), []);
    const found = { ok: true, reading: { devices: [full, other], complete: true, problems: [] } } as const;
    expect(known.take(found, holding(card(0).uuid), owners)).toMatchObject([{ uuid: card(0).uuid }]);
    expect(known.troubles).toEqual([]);
    known.take(found, holding(card(0).uuid), undefined);
    expect(known.troubles).toEqual([
      'it cannot be told whose memory it is on NVIDIA GeForce RTX 3060: nothing is ended for taking more than its part of it',
    ]);
    expect(known.take(failed, holding(card(0).uuid), undefined)).toEqual([]);
  });
});
