import type { Device, DeviceUuid } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
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
const failed = {
  ok: false,
  missing: false,
  why: 'nvidia-smi failed: Driver/library version mismatch',
} as const;

it('keeps its cards through a moment of trouble, and withdraws them when it lasts', () => {
  const known = new KnownDevices();
  known.take(told([card(0), card(1)]), new Set());
  for (const _ of [1, 2]) {
    known.take(failed, new Set());
    expect(known.devices).toHaveLength(2);
    expect(known.troubles).toEqual([failed.why]);
  }
  known.take(failed, new Set());
  expect(known.devices).toEqual([]);
  expect(known.troubles).toEqual([`${failed.why}; 2 cards that it showed before are not offered`]);
  known.take(told([card(0), card(1)]), new Set());
  expect(known.devices).toHaveLength(2);
  expect(known.troubles).toEqual([]);
});

it('is not troubled where there never was a driver', () => {
  const known = new KnownDevices();
  for (const _ of [1, 2, 3, 4])
    known.take({ ok: false, missing: true, why: 'nvidia-smi is not installed' }, new Set());
  expect(known.troubles).toEqual([]);
});

it('takes a card that a whole report lacks for lost until it is back; of a report cut short it keeps what it knew', () => {
  const known = new KnownDevices();
  known.take(told([card(0), card(1)]), new Set());
  known.take(told([card(0)], false), new Set());
  expect(known.devices).toHaveLength(2);
  known.take(told([card(0)]), new Set());
  known.take(told([card(0)]), new Set());
  expect(known.devices).toEqual([card(0)]);
  expect(known.troubles).toEqual(['NVIDIA GeForce GTX 1060 6GB (GPU-1) fell off: it was there before']);
  known.take(told([card(0), card(1)]), new Set());
  expect(known.troubles).toEqual([]);
});

it('names who holds a card outside the grid in plain letters, though another card is held', () => {
  const known = new KnownDevices();
  const processes = [{ pid: 7, name: '/opt/Übung/jeux-é', vramBytes: 9 * MiB }];
  const devices = [reading(card(0)), reading(card(1, 9 * MiB), processes)];
  const found = { ok: true, reading: { devices, complete: true, problems: [] } } as const;
  known.take(found, new Set([card(0).uuid]));
  expect(known.devices[1]?.foreign).toEqual([{ pid: 7, name: 'jeux-', vramBytes: 9 * MiB }]);
});

it('tells the memory of attempts from that of others', () => {
  const processes = [
    { pid: 1, name: '/usr/lib/xorg/Xorg -core', vramBytes: 100 * MiB },
    { pid: 2, name: 'python', vramBytes: 2000 * MiB },
    { pid: 3, name: 'python', vramBytes: 500 * MiB },
  ];
  const owner = (pid: number) => (pid === 1 ? null : 't1.1');
  const { device, byAttempt } = attribute(reading(card(0, 2700 * MiB), processes), owner, undefined);
  expect(byAttempt).toEqual(new Map([['t1.1', 2500 * MiB]]));
  expect(device.foreignBytes).toBe(200 * MiB);
  expect(device.foreign).toEqual([{ pid: 1, name: 'Xorg', vramBytes: 100 * MiB }]);
});

it('takes what was foreign before for foreign when nobody can tell', () => {
  const processes = [{ pid: 2, name: 'python', vramBytes: undefined }];
  const before = card(0, 300 * MiB);
  const { device, byAttempt } = attribute(reading(card(0, 2700 * MiB), processes), () => 't1.1', before);
  expect(byAttempt).toBeUndefined();
  expect(device.foreignBytes).toBe(300 * MiB);
});
