import {
  type Device,
  type DeviceUuid,
  limits,
  type WorkerReport,
  workerReportSchema,
} from '@gryphgen/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MachineReading, Pressures } from './pressures.ts';
import { autoPressures, type PressureSettings } from './thresholds.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const plenty: MachineReading = {
  disks: [{ path: '/home/grid', freeBytes: 50 * GiB, totalBytes: 100 * GiB, stops: 'everything' }],
  memory: { availableBytes: 8 * GiB, totalBytes: 16 * GiB, stalledPercent: 0 },
  engine: 'answers',
};
const card: Device = {
  uuid: 'GPU-1' as DeviceUuid,
  index: 0,
  name: 'NVIDIA GeForce RTX 3060',
  vramBytes: 12 * GiB,
  computeCapability: 86,
  driver: '570',
  foreignBytes: 0,
  temperatureC: 60,
  maxTemperatureC: 93,
};
const report: WorkerReport = {
  name: 'forge',
  capabilities: ['container', 'process'],
  labels: {},
  cpuMilli: 1000,
  memoryBytes: 0,
  diskBytes: 0,
  devices: [card, { ...card, uuid: 'GPU-2' as DeviceUuid }],
  images: [],
  slots: 1,
  speed: 0,
  dataEndpoint: '',
  dataKey: '',
  version: '0',
};

/** A machine whose clocks a test moves. */
class Machine {
  readonly pressures: Pressures;
  mono = 1000;
  wall = 1_800_000_000_000;

  constructor(settings: PressureSettings = autoPressures) {
    this.pressures = new Pressures(settings);
  }

  read(changes: Partial<MachineReading> = {}, afterMs = 5000): this {
    this.mono += afterMs;
    this.wall += afterMs;
    this.pressures.read({ ...plenty, ...changes }, { mono: this.mono, wall: this.wall });
    return this;
  }

  disk(freeBytes: number, afterMs?: number): this {
    return this.read({ disks: plenty.disks.map((disk) => ({ ...disk, freeBytes })) }, afterMs);
  }

  memory(availableBytes: number, stalledPercent = 0): this {
    return this.read({ memory: { availableBytes, totalBytes: 16 * GiB, stalledPercent } });
  }

  warm(temperatureC: number, afterMs = 30_000): this {
    this.mono += afterMs;
    this.pressures.readDevices([{ ...card, temperatureC }], this.mono);
    return this;
  }

  get told() {
    return this.pressures.addTo(report, this.mono);
  }

  get names() {
    return this.told.pressures?.map(({ name }) => name) ?? [];
  }
}

describe('low disk', () => {
  it('begins below one amount and ends above the other, when that has lasted', () => {
    const machine = new Machine().read();
    expect(machine.told.pressures).toEqual([]);
    machine.disk(0.9 * GiB).disk(1.2 * GiB);
    expect(machine.told.pressures).toEqual([
      {
        name: 'low disk',
        forMs: 5000,
        words: '1228.8 MiB free of 100 GiB, takes new work above 2 GiB (/home/grid)',
        stops: ['container', 'process'],
      },
    ]);
    expect(machine.disk(2 * GiB).disk(2 * GiB).names).toEqual(['low disk']);
    // One look at less, and the time begins anew.
    expect(
      machine
        .disk(1.9 * GiB)
        .disk(3 * GiB)
        .disk(3 * GiB).names,
    ).toEqual(['low disk']);
    expect(machine.disk(3 * GiB).names).toEqual([]);
  });

  it('of a small disk is a share of it; a setting says how much, and 0 never', () => {
    const small = (freeBytes: number, settings?: PressureSettings) =>
      new Machine(settings).read({
        disks: [{ path: '/h', freeBytes, totalBytes: 48 * MiB, stops: 'everything' }],
      }).names;
    expect(small(1 * MiB)).toEqual([]);
    expect(small(0.9 * MiB)).toEqual(['low disk']);
    expect(small(20 * MiB, { ...autoPressures, minDiskFreeBytes: 30 * MiB })).toEqual(['low disk']);
    expect(small(0, { ...autoPressures, minDiskFreeBytes: 0 })).toEqual([]);
  });

  it('of the engine stops containers only, each disk by itself; a disk that cannot be read stays as it was', () => {
    const engineDisk = {
      path: '/var/lib/docker',
      freeBytes: 0,
      totalBytes: 100 * GiB,
      stops: 'containers',
    } as const;
    const machine = new Machine().read({ disks: [...plenty.disks, engineDisk] });
    expect(machine.told.pressures).toMatchObject([{ name: 'low disk', stops: ['container'] }]);
    expect(machine.read({ disks: [] }, 60_000).told.pressures).toMatchObject([{ forMs: 60_000 }]);
  });
});

describe('low memory', () => {
  it('is not a peak, and not that tasks stall where there is plenty', () => {
    const machine = new Machine().read();
    expect(
      machine
        .memory(100 * MiB)
        .memory(100 * MiB)
        .memory(8 * GiB).names,
    ).toEqual([]);
    expect(
      machine
        .memory(8 * GiB, 90)
        .memory(8 * GiB, 90)
        .memory(8 * GiB, 90)
        .memory(8 * GiB, 90).names,
    ).toEqual([]);
  });

  it('begins earlier where tasks stall, and ends when there is enough', () => {
    const machine = new Machine()
      .memory(800 * MiB, 40)
      .memory(800 * MiB, 40)
      .memory(800 * MiB, 40);
    expect(machine.told.pressures).toMatchObject([
      {
        name: 'low memory',
        words:
          '800 MiB available of 16 GiB, takes new work above 1 GiB; tasks wait for memory 40 % of the time',
        stops: ['container', 'process'],
      },
    ]);
    for (let n = 0; n < 100; n += 1) machine.memory(800 * MiB);
    expect(machine.names).toEqual(['low memory']);
    for (let n = 0; n < 7; n += 1) machine.memory(2 * GiB);
    expect(machine.names).toEqual([]);
  });
});

it('a stuck engine stops containers at once, until it has answered for a while', () => {
  const machine = new Machine().read({ engine: 'silent' });
  expect(machine.told.pressures).toMatchObject([{ name: 'stuck engine', stops: ['container'] }]);
  expect(machine.read().read({ engine: 'silent' }).read().read().names).toEqual(['stuck engine']);
  expect(machine.read().names).toEqual([]);
});

it('a machine that never had an engine has none that is stuck', () => {
  expect(new Machine().read({ engine: 'none' }).names).toEqual([]);
});

describe('a clock jump', () => {
  it('is told for a while and stops nothing', () => {
    const machine = new Machine().read();
    machine.wall -= 2 * 3_600_000;
    expect(machine.read().told.pressures).toEqual([
      {
        name: 'clock jump',
        forMs: 0,
        words: 'the wall clock went back by 2 h 0 m; leases and time limits do not follow it',
        stops: [],
      },
    ]);
    for (let n = 0; n < 119; n += 1) expect(machine.read().names).toEqual(['clock jump']);
    expect(machine.read().read().names).toEqual([]);
  });

  it('is no drift, and does not touch how long others have lasted', () => {
    const machine = new Machine().disk(0);
    for (let n = 0; n < 20; n += 1) {
      machine.wall += 500;
      machine.disk(0);
    }
    expect(machine.names).toEqual(['low disk']);
    machine.wall += 86_400_000;
    expect(machine.disk(0).told.pressures).toMatchObject([
      { name: 'low disk', forMs: 21 * 5000 },
      { name: 'clock jump', words: expect.stringContaining('forward by 24 h 0 m') },
    ]);
  });
});

describe('a hot device', () => {
  it('is told with itself, and the other is not', () => {
    const machine = new Machine().warm(89);
    expect(machine.told.devices.map(({ pressure }) => pressure)).toEqual([undefined, undefined]);
    expect(machine.warm(91).told.devices.map(({ pressure }) => pressure)).toEqual([
      { name: 'hot', forMs: 0, words: '91 C, slows down at 93 C, takes new work at 83 C or less' },
      undefined,
    ]);
    expect(machine.warm(84).warm(84).warm(83).told.devices[0]?.pressure).toMatchObject({ forMs: 90_000 });
    expect(machine.warm(80).told.devices[0]).not.toHaveProperty('pressure');
  });

  it('is one by the setting where the card tells no limit; one that is gone is forgotten', () => {
    const { maxTemperatureC: _, ...old } = { ...card, temperatureC: 95 };
    const hotBy = (settings: PressureSettings) => {
      const pressures = new Pressures(settings);
      pressures.readDevices([old], 0);
      return pressures;
    };
    expect(hotBy(autoPressures).held().size).toBe(0);
    expect(hotBy({ ...autoPressures, maxDeviceC: 0 }).held().size).toBe(0);
    const hot = hotBy({ ...autoPressures, maxDeviceC: 85 });
    expect([...hot.held()]).toEqual([['hot (GPU-1)', '95 C, takes new work at 78 C or less']]);
    hot.readDevices([], 1);
    expect(hot.held().size).toBe(0);
  });
});

it('whatever is read can be told, and what nothing presses on is told as it was', () => {
  const amount = fc.integer({ min: 0, max: 2 ** 45 });
  const reading = fc.record({
    disks: fc.array(
      fc.record({
        path: fc.constantFrom('/a', `/${'ä'.repeat(200)}`, `/${'b'.repeat(500)}`),
        freeBytes: amount,
        totalBytes: amount,
        stops: fc.constantFrom('everything' as const, 'containers' as const),
      }),
      { maxLength: 2 },
    ),
    memory: fc.option(
      fc.record({
        availableBytes: amount,
        totalBytes: amount,
        stalledPercent: fc.option(fc.double({ min: 0, max: 100, noNaN: true }), { nil: undefined }),
      }),
      { nil: undefined },
    ),
    engine: fc.constantFrom('none' as const, 'answers' as const, 'silent' as const),
  });
  const step = fc.record({
    reading,
    ms: fc.integer({ min: 0, max: 1e7 }),
    jump: fc.integer({ min: -1e12, max: 1e12 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
      const pressures = new Pressures(autoPressures);
      let [mono, wall] = [0, 0];
      for (const { reading, ms, jump } of steps) {
        mono += ms;
        wall += ms + jump;
        pressures.read(reading, { mono, wall });
      }
      const told = pressures.addTo(report, mono);
      expect(workerReportSchema.safeParse(told).success).toBe(true);
      expect(told.pressures?.length).toBeLessThanOrEqual(limits.pressures);
      expect(told.pressures?.length).toBe(pressures.held().size);
      expect({ ...told, pressures: undefined }).toEqual({ ...report, pressures: undefined });
    }),
  );
});
