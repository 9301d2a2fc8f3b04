import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeviceUuid } from '@gryphgen/protocol';
import { systemAlarms } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SeenDevice } from '../core/device-claims.ts';
import { DeviceProbe } from './device-probe.ts';

const card = fileURLToPath(new URL('../../../../test/fixtures/nvidia-smi/rtx-3060-v12.xml', import.meta.url));
const uuid = 'GPU-d6889ff6-2523-9142-ca3c-1ca3f396a625' as DeviceUuid;
const holders = [{ key: '1.1.1', shares: [{ uuid, vramBytes: 2 ** 30, whole: false }] }];
let folder: string;
let nvidiaSmi: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-devices-'));
  nvidiaSmi = join(folder, 'nvidia-smi');
  await writeFile(nvidiaSmi, `#!/bin/sh\n[ "$1" = -q ] && exec cat ${card}\nexit 1\n`);
  await chmod(nvidiaSmi, 0o700);
});
afterEach(() => rm(folder, { recursive: true }));

it('tells of each look once, however many asked for it', async () => {
  const seen: (readonly SeenDevice[])[] = [];
  const probe = new DeviceProbe({
    nvidiaSmi,
    alarms: systemAlarms,
    ownersOf: async () => new Map(),
    onSeen: (devices) => seen.push(devices),
  });
  await Promise.all([probe.look(holders), probe.look(holders)]);
  expect(seen).toMatchObject([[{ uuid, usedBy: new Map() }]]);
  await probe.look([]);
  expect(seen.at(-1)).toEqual([]);
});

it('knows its devices also when nobody can say whose processes they are, and asks no second time meanwhile', async () => {
  let asked = 0;
  const seen: (readonly SeenDevice[])[] = [];
  const probe = new DeviceProbe({
    nvidiaSmi,
    alarms: { after: (ms, run) => systemAlarms.after(ms === 5000 ? 10 : ms, run) },
    ownersOf: () => {
      asked += 1;
      return new Promise(() => undefined);
    },
    onSeen: (devices) => seen.push(devices),
  });
  for (const _ of [1, 2, 3, 4]) await probe.look(holders);
  expect(asked).toBe(1);
  expect(seen).toHaveLength(4);
  expect(seen.at(-1)).toMatchObject([{ uuid, usedBy: undefined }]);
  expect(probe.devices).toMatchObject([{ uuid }]);
});
