import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { limits } from '@gryphgen/protocol';
import { createLog, systemAlarms, systemClock } from '@gryphgen/runtime';
import { expect, it } from 'vitest';
import { connectEngine } from '../executors/engine-connection.ts';
import { tellable, WorkerProbe } from './worker-probe.ts';

it('tells as many images as a report may carry', () => {
  const many = Array.from({ length: limits.images + 9 }, (_, no) => `image:${no}`);
  expect(tellable(many)).toHaveLength(limits.images);
  const long = Array.from({ length: 1000 }, (_, no) => `${no}`.padStart(500, 'x'));
  const told = tellable(long);
  expect(told.length).toBe(Math.floor(limits.imagesBytes / 500));
  expect(told).toEqual(long.slice(0, told.length));
});

it('makes no report that a broker would refuse, and says what is wrong', async () => {
  const home = await mkdtemp(join(tmpdir(), 'gg-probe-'));
  const labels = Object.fromEntries(Array.from({ length: limits.labels + 1 }, (_, no) => [`l${no}`, 'x']));
  const probe = new WorkerProbe({
    home,
    name: 'forge',
    labels,
    slots: undefined,
    docker: connectEngine({ socketPath: join(home, 'none.sock') }),
    nvidiaSmi: join(home, 'none'),
    alarms: systemAlarms,
    log: createLog({ daemon: 'test', level: 'silent' }),
    ownersOf: async () => undefined,
    onSeen: () => undefined,
    clock: systemClock,
    concerns: () => [],
  });
  const input = {
    capabilities: [],
    offers: undefined,
    labels: {},
    dataEndpoint: '',
    dataKey: '',
    holders: [],
  };
  await expect(probe.report(input)).rejects.toThrow(
    "this machine's report cannot be sent: labels: at most 64 labels",
  );
  await rm(home, { recursive: true });
});
