import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceUuid, WorkerReport } from '@gryphgen/protocol';
import { createLog } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { report as bare, facts, fence } from './core/worker-core.fixture.ts';
import { writeEngineList } from './engines/engine-list.ts';
import { MachineWatch } from './machine-watch.ts';

const uuid = 'GPU-1' as DeviceUuid;
const card = (foreignBytes: number, temperatureC: number) => ({
  uuid,
  index: 0,
  name: 'RTX 3060',
  vramBytes: 2 ** 33,
  computeCapability: 86,
  driver: '1',
  foreignBytes,
  temperatureC,
});
const holding = {
  fence: fence(1),
  facts: {
    ...facts,
    reservation: { ...facts.reservation, devices: [{ uuid, vramBytes: 2 ** 30, whole: false }] },
  },
};

let due: { readonly ms: number; readonly run: () => void }[];
let attempts: (typeof holding)[];
let found: WorkerReport;
let looks: number;
let measurements: number;
let changed: WorkerReport[];
let standing: WorkerReport;
let watch: MachineWatch;
let home: string;
let probes: number;
let onProbe: () => void;

afterEach(async () => {
  watch.stop();
  await rm(home, { recursive: true });
});

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'gg-watch-'));
  probes = 0;
  onProbe = () => undefined;
  due = [];
  attempts = [];
  looks = 0;
  measurements = 0;
  changed = [];
  standing = { ...bare, devices: [card(0, 40)], troubles: [] };
  found = standing;
  watch = new MachineWatch({
    probe: {
      report: async () => found,
      seen: [],
      refreshDevices: async () => {
        looks += 1;
        return found;
      },
      calibrator: {
        measureIfUnknown: async () => {
          measurements += 1;
          return measurements === 1;
        },
      },
    },
    pressures: {
      start: () => undefined,
      stop: () => undefined,
      report: (able, make) => make(able),
      addTo: (report) => report,
    },
    alarms: {
      after: (ms, run) => {
        const alarm = { ms, run };
        due.push(alarm);
        return () => {
          due = due.filter((each) => each !== alarm);
        };
      },
    },
    log: createLog({ daemon: 'worker', level: 'silent' }),
    endpoint: { dataEndpoint: '', dataKey: '' },
    home,
    executors: {
      probe: async () => {
        probes += 1;
        onProbe();
        return [];
      },
      offers: () => undefined,
      labels: () => ({}),
      shards: undefined,
      warm: 0,
      engines: [],
    },
    attempts: () => attempts,
    standing: () => standing,
    changed: (report) => {
      changed.push(report);
      standing = report;
    },
  });
  watch.start();
});

/** Lets the alarm of so many ms go off, and waits until it is set again: it must not be while a look is under way. */
async function pass(ms: number): Promise<void> {
  const next = due.findIndex((alarm) => alarm.ms === ms);
  due.splice(next, 1)[0]?.run();
  for (let turn = 0; turn < 20 && !due.some((alarm) => alarm.ms === ms); turn += 1) await undefined;
  expect(due.map((alarm) => alarm.ms).sort()).toEqual([30_000, 5000]);
}

it('looks at devices only while some are held, and once more when they are held no longer', async () => {
  await pass(5000);
  expect(looks).toBe(0);
  attempts = [holding];
  await pass(5000);
  await pass(5000);
  expect(looks).toBe(2);
  attempts = [];
  await pass(5000);
  expect(looks).toBe(3);
  await pass(5000);
  expect(looks).toBe(3);
});

it('tells at once what placement would see or is amiss; the rest with the report that is due', async () => {
  attempts = [holding];
  found = { ...standing, devices: [card(0, 60)] };
  await pass(5000);
  expect(changed).toEqual([]);
  await pass(30_000);
  expect(changed).toEqual([found]);
  found = { ...standing, devices: [card(2 ** 31, 60)] };
  await pass(5000);
  expect(changed.at(-1)).toBe(found);
  found = { ...found, troubles: ['t1.1 holds too much'] };
  await pass(5000);
  expect(changed.at(-1)).toBe(found);
  await pass(5000);
  expect(changed).toHaveLength(3);
});

it('looks at once when asked to, after the look under way, and goes on as before', async () => {
  found = { ...standing, images: ['app:1'] };
  const both = [watch.lookNow(), watch.lookNow()];
  found = { ...found, images: ['app:1', 'app:2'] };
  await Promise.all(both);
  expect(changed.at(-1)?.images).toEqual(['app:1', 'app:2']);
  expect(due.map((alarm) => alarm.ms).sort()).toEqual([30_000, 5000]);
});

it('looks at the devices at once when asked to, and goes on as before', async () => {
  attempts = [holding];
  await Promise.all([watch.look(), watch.look()]);
  expect(looks).toBeGreaterThan(0);
  expect(due.map((alarm) => alarm.ms).sort()).toEqual([30_000, 5000]);
  await pass(5000);
});

it('measures the machine after a look at which nothing runs here, and tells at once', async () => {
  attempts = [holding];
  await pass(30_000);
  expect(measurements).toBe(0);
  attempts = [];
  await pass(30_000);
  await watch.lookNow();
  expect(measurements).toBeGreaterThanOrEqual(1);
});

it('looks at once when the list of engines has changed', async () => {
  const looked = new Promise<void>((resolve) => {
    onProbe = resolve;
  });
  await writeEngineList(home, []);
  await looked;
  expect(probes).toBeGreaterThan(0);
});
