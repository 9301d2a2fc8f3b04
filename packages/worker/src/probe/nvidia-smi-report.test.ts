import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { computeCapabilityByName } from './compute-capability.ts';
import { findDevices } from './nvidia-smi.ts';
import { readComputeCapabilities, readNvidiaSmi } from './nvidia-smi-report.ts';

const fixtures = fileURLToPath(new URL('../../../../test/fixtures/nvidia-smi/', import.meta.url));
const recording = (name: string) => readFile(join(fixtures, name), 'utf8');
const MiB = 1024 * 1024;
const rtx3060 = 'GPU-d6889ff6-2523-9142-ca3c-1ca3f396a625';

describe('a recording of nvidia-smi', () => {
  it('of a new driver gives the card with all it says', async () => {
    const versions = readComputeCapabilities(`${rtx3060}, 8.6\nGPU-x, [N/A]\n`);
    expect(readNvidiaSmi(await recording('rtx-3060-v12.xml'), versions)).toEqual([
      {
        uuid: rtx3060,
        index: 0,
        name: 'NVIDIA GeForce RTX 3060',
        vramBytes: 12_288 * MiB,
        computeCapability: 86,
        driver: '570.124.04',
        foreignBytes: (12_288 - 11_806) * MiB,
        temperatureC: 42,
        powerW: 11.6,
      },
    ]);
  });

  it('that is cut short gives what is there, and the capability by name', async () => {
    const [device] = readNvidiaSmi(await recording('gtx-1070-ti.xml'), new Map()) ?? [];
    expect(device).toMatchObject({
      name: 'GeForce GTX 1070 Ti',
      vramBytes: 4096 * MiB,
      computeCapability: 61,
      driver: '',
    });
    expect(device).not.toHaveProperty('powerW');
  });

  it('of two cards keeps their order; a card without memory is none', async () => {
    const one = /<gpu (.|\n)*<\/gpu>/;
    const card = one.exec(await recording('gtx-1070-ti.xml'))?.[0] ?? '';
    const broken = card
      .replace(/<total>[^<]*<\/total>/, '<total>[Unknown Error]</total>')
      .replace('f9ba66fc', 'broken');
    const both = (await recording('rtx-3060-v12.xml')).replace(
      '</nvidia_smi_log>',
      `${broken}${card}</nvidia_smi_log>`,
    );
    expect(readNvidiaSmi(both, new Map())?.map(({ index, name }) => [index, name])).toEqual([
      [0, 'NVIDIA GeForce RTX 3060'],
      [2, 'GeForce GTX 1070 Ti'],
    ]);
  });

  it.each(['', 'No devices were found', '<nvidia_smi_log', '<html><body/></html>'])('is not %j', (text) => {
    expect(readNvidiaSmi(text, new Map())).toBeUndefined();
  });

  it('without cards gives none', () => {
    const text = '<nvidia_smi_log><driver_version>1</driver_version></nvidia_smi_log>';
    expect(readNvidiaSmi(text, new Map())).toEqual([]);
  });
});

it('knows the compute capability of the reference grid by name', () => {
  expect(computeCapabilityByName('NVIDIA GeForce GTX 1060 6GB')).toBe(61);
  expect(computeCapabilityByName('NVIDIA GeForce RTX 3060')).toBe(86);
  expect(computeCapabilityByName('Tesla T4')).toBe(75);
  expect(computeCapabilityByName('NVIDIA A10G')).toBe(86);
  expect(computeCapabilityByName('NVIDIA H100 80GB HBM3')).toBe(90);
  expect(computeCapabilityByName('Voodoo 2')).toBe(0);
});

describe('asking the program', () => {
  let folder: string;
  let program: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gg-smi-'));
    program = join(folder, 'nvidia-smi');
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function write(script: string): Promise<void> {
    await writeFile(program, `#!/bin/sh\n${script}\n`);
    await chmod(program, 0o755);
  }

  it('finds no devices where it is not installed', async () => {
    expect(await findDevices(join(folder, 'missing'))).toEqual({ ok: true, devices: [] });
  });

  it('asks twice: for the report, and for compute capabilities', async () => {
    await write(`[ "$1" = -q ] && exec cat ${join(fixtures, 'rtx-3060-v12.xml')}; echo "${rtx3060}, 8.9"`);
    expect(await findDevices(program)).toMatchObject({ ok: true, devices: [{ computeCapability: 89 }] });
  });

  it('does without the second answer', async () => {
    await write(`[ "$1" = -q ] && exec cat ${join(fixtures, 'rtx-3060-v12.xml')}; exit 1`);
    expect(await findDevices(program)).toMatchObject({ ok: true, devices: [{ computeCapability: 86 }] });
  });

  it('says that it hangs, fails or talks nonsense', async () => {
    await write('exec sleep 60');
    expect(await findDevices(program, 100)).toEqual({
      ok: false,
      why: `${program} did not answer within 100 ms`,
    });
    await write('echo "driver/library version mismatch" >&2; exit 18');
    expect(await findDevices(program)).toEqual({
      ok: false,
      why: `${program} failed: driver/library version mismatch`,
    });
    await write('echo hello');
    expect(await findDevices(program)).toMatchObject({ ok: false });
  });
});
