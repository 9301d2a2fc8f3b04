import type { DeviceUuid, Reservation } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { emptyLedger, oversubscription, release, reserve } from './ledger.ts';
import { device, forge, GiB, report } from './reference-grid.fixture.ts';

const uuid = 'gpu-3060' as DeviceUuid;
const host: Reservation = { cpuMilli: 1000, memoryBytes: GiB, diskBytes: GiB, devices: [] };
const on = (vramBytes: number, whole = false): Reservation => ({
  ...host,
  devices: [{ uuid, vramBytes, whole }],
});

describe('reserving and releasing', () => {
  it('adds up, and comes back to empty', () => {
    const ledger = emptyLedger();
    reserve(ledger, on(3));
    reserve(ledger, on(4));
    expect(ledger).toEqual({
      asking: new Map(),
      cpuMilli: 2000,
      memoryBytes: 2 * GiB,
      diskBytes: 2 * GiB,
      attempts: 2,
      version: 2,
      onChange: null,
      devices: new Map([[uuid, { vramBytes: 7, whole: false, holders: 2 }]]),
    });
    release(ledger, on(3));
    release(ledger, on(4));
    expect(ledger).toEqual({ ...emptyLedger(), version: 4 });
  });

  it.each<[string, Reservation, Reservation, RegExp]>([
    ['more CPU', on(1), { ...on(1), cpuMilli: 2000 }, /2000 milli-CPU of 1000/],
    ['more memory', on(1), { ...on(1), memoryBytes: 2 * GiB }, /memory/],
    ['more disk', on(1), { ...on(1), diskBytes: 2 * GiB }, /disk/],
    ['less than all by the last', on(1), { ...on(1), cpuMilli: 500 }, /leave something behind/],
    ['a device that is not held', host, on(1), /device gpu-3060 is not held/],
    ['a device still held by none', on(2), on(1), /leaves something behind/],
    ['more of a device', on(1), on(2), /2 B of device gpu-3060 of 1/],
    ['a whole device that is held in part', on(2), on(2, true), /not wholly held/],
  ])('throws on releasing %s, and changes nothing', (_what, reserved, released, message) => {
    const ledger = emptyLedger();
    reserve(ledger, reserved);
    const before = structuredClone(ledger);
    expect(() => release(ledger, released)).toThrow(message);
    expect(ledger).toEqual(before);
  });

  it('throws on releasing from an empty ledger', () => {
    expect(() => release(emptyLedger(), { ...host, cpuMilli: 0, memoryBytes: 0, diskBytes: 0 })).toThrow(
      /no attempt/,
    );
  });

  it('keeps a wholly held device barred until a ghost beside it has gone too', () => {
    const ledger = emptyLedger();
    reserve(ledger, on(5));
    reserve(ledger, on(10, true));
    release(ledger, on(10, true));
    expect(ledger.devices.get(uuid)).toEqual({ vramBytes: 5, whole: true, holders: 1 });
    release(ledger, on(5));
    expect(ledger).toEqual({ ...emptyLedger(), version: 4 });
  });
});

describe('oversubscription', () => {
  const machine = report({ devices: [device(uuid, { vramBytes: 10 * GiB })], slots: 2, cpuMilli: 2000 });
  const after = (...reservations: Reservation[]) => {
    const ledger = emptyLedger();
    for (const reservation of reservations) reserve(ledger, reservation);
    return oversubscription(ledger, machine);
  };

  it('is silent when all fits exactly', () => {
    expect(after(on(4 * GiB), on(6 * GiB))).toBeUndefined();
    expect(oversubscription(emptyLedger(), forge().report!)).toBeUndefined();
  });

  it.each<[string, Reservation[], string]>([
    ['slots', [{ ...host, cpuMilli: 0 }, host, { ...host, cpuMilli: 0 }], '3 attempts in 2 slots'],
    ['CPU', [{ ...host, cpuMilli: 2001 }], '2001 of 2000 milli-CPU reserved'],
    ['memory', [{ ...host, memoryBytes: 17 * GiB }], 'memory: 17 GiB reserved of 16 GiB, 1 GiB too much'],
    ['disk', [{ ...host, diskBytes: 101 * GiB }], 'disk: 101 GiB reserved of 100 GiB, 1 GiB too much'],
    [
      'a device',
      [on(6 * GiB), on(5 * GiB)],
      'NVIDIA GeForce RTX 3060 gpu-3060: 11 GiB reserved of 10 GiB, 1 GiB too much',
    ],
    [
      'a whole device',
      [on(9 * GiB, true), on(GiB)],
      'NVIDIA GeForce RTX 3060 gpu-3060 is wholly held and has 2 holders',
    ],
    [
      'a device that is gone',
      [{ ...host, devices: [{ uuid: 'gpu-x' as DeviceUuid, vramBytes: 1, whole: false }] }],
      'device gpu-x is held by 1 and not reported',
    ],
  ])('names %s', (_what, reservations, words) => {
    expect(after(...reservations)).toBe(words);
  });
});
