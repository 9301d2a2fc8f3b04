import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { guessComputeCapability } from './compute-capability.ts';
import { readMigNames } from './mig-names.ts';
import { findDevices } from './nvidia-smi.ts';
import { readComputeCapabilities, readNvidiaSmi } from './nvidia-smi-report.ts';

const fixtures = fileURLToPath(new URL('../../../../test/fixtures/nvidia-smi/', import.meta.url));
const recording = (name: string) => readFile(join(fixtures, name), 'utf8');
const MiB = 1024 * 1024;
const rtx3060 = 'GPU-d6889ff6-2523-9142-ca3c-1ca3f396a625';

async function cardOf(name: string, change: (xml: string) => string = (xml) => xml) {
  return readNvidiaSmi(change(await recording(name)), new Map());
}

describe('a recording of nvidia-smi', () => {
  it('of a new driver gives the card with all it says', async () => {
    const versions = readComputeCapabilities(`${rtx3060}, 8.6\nGPU-x, [N/A]\n`);
    expect(readNvidiaSmi(await recording('rtx-3060-v12.xml'), versions)).toEqual({
      complete: true,
      problems: [],
      devices: [
        {
          device: {
            uuid: rtx3060,
            index: 0,
            name: 'NVIDIA GeForce RTX 3060',
            vramBytes: 12_288 * MiB,
            computeCapability: 86,
            driver: '570.124.04',
            foreignBytes: (12_288 - 11_806) * MiB,
            temperatureC: 42,
            maxTemperatureC: 93,
            powerW: 11.63,
            clockMHz: 210,
            maxClockMHz: 2145,
            memoryClockMHz: 405,
          },
          processes: [],
        },
      ],
    });
  });

  it.each([
    ['a10g.xml', 'NVIDIA A10G', 23_028, 86],
    ['gtx-1070-ti.xml', 'GeForce GTX 1070 Ti', 4096, 61],
    // A driver older than the card: its chip's number tells what the name does not.
    ['gtx-1660-ti.xml', 'Graphics Device', 5912, 75],
    ['quadro-p400.xml', 'Quadro P400', 1998, 61],
    ['rtx-3060-v12.xml', 'NVIDIA GeForce RTX 3060', 12_288, 86],
    ['tesla-t4.xml', 'Tesla T4', 15_360, 75],
  ])('%s: the capability is found without asking', async (file, name, mib, capability) => {
    const found = await cardOf(file);
    expect(found?.devices.map(({ device }) => device)).toMatchObject([
      { name, vramBytes: mib * MiB, computeCapability: capability },
    ]);
  });

  it.each([
    ['a10g.xml', 88],
    // Too old to tell.
    ['gtx-1070-ti.xml', undefined],
    ['quadro-p400.xml', 100],
    ['rtx-3060-v12.xml', 93],
  ])('%s: where the card slows itself down', async (file, limit) => {
    expect((await cardOf(file))?.devices[0]?.device.maxTemperatureC).toBe(limit);
  });

  it('of a card that tells how far it is to its limit gives that limit, and leaves out what is absurd', async () => {
    const toLimit = [
      '<gpu_temp>45 C</gpu_temp>',
      '<gpu_temp_tlimit>39 C</gpu_temp_tlimit>',
      '<gpu_temp_max_tlimit_threshold>-5 C</gpu_temp_max_tlimit_threshold>',
      '<gpu_temp_slow_tlimit_threshold>-2 C</gpu_temp_slow_tlimit_threshold>',
      '<gpu_temp_max_gpu_tlimit_threshold>0 C</gpu_temp_max_gpu_tlimit_threshold>',
    ].join('');
    const limitOf = async (told: string) => {
      const found = await cardOf('rtx-3060-v12.xml', (xml) =>
        xml.replace(/<temperature>(.|\n)*<\/temperature>/, `<temperature>${told}</temperature>`),
      );
      return found?.devices[0]?.device.maxTemperatureC;
    };
    expect(await limitOf(toLimit)).toBe(84);
    expect(await limitOf('<gpu_temp_slow_threshold>-5 C</gpu_temp_slow_threshold>')).toBeUndefined();
  });

  it('tells who holds memory', async () => {
    const found = await cardOf('tesla-t4.xml');
    expect(found?.devices[0]?.processes).toEqual([
      { pid: 675, name: '/usr/lib/xorg/Xorg', vramBytes: 22 * MiB },
      { pid: 5762, name: 'python', vramBytes: 1005 * MiB },
    ]);
    const silent = await cardOf('tesla-t4.xml', (xml) =>
      xml.replace('1005 MiB', '[Insufficient Permissions]'),
    );
    expect(silent?.devices[0]?.processes[1]).toEqual({ pid: 5762, name: 'python', vramBytes: undefined });
  });

  it('that is cut short anywhere gives what is there, and says that it is not whole', async () => {
    const whole = await recording('rtx-3060-v12.xml');
    const [told = 0, memory = 0] = ['<gpu id', '</fb_memory_usage>'].map((tag) => whole.indexOf(tag));
    for (let length = told + 100; length < whole.trimEnd().length; length += 7) {
      const found = readNvidiaSmi(whole.slice(0, length), new Map());
      expect(found?.complete, `cut at ${length}`).toBe(false);
      const devices = found?.devices.map(({ device }) => device.vramBytes);
      if (length > memory) expect(devices, `cut at ${length}`).toEqual([12_288 * MiB]);
    }
  });

  it('of two cards keeps their order; a card without memory is none, and is told', async () => {
    const card = /<gpu (.|\n)*<\/gpu>/.exec(await recording('gtx-1070-ti.xml'))?.[0] ?? '';
    const broken = card
      .replace(/<total>[^<]*<\/total>/, '<total>[Unknown Error]</total>')
      .replace('f9ba66fc', 'broken');
    const found = await cardOf('rtx-3060-v12.xml', (xml) =>
      xml.replace('</nvidia_smi_log>', `${broken}${card}</nvidia_smi_log>`),
    );
    expect(found?.devices.map(({ device: { index, name } }) => [index, name])).toEqual([
      [0, 'NVIDIA GeForce RTX 3060'],
      [2, 'GeForce GTX 1070 Ti'],
    ]);
    expect(found?.problems).toEqual([
      'card 1 (GeForce GTX 1070 Ti) does not tell its memory: "[Unknown Error]"',
    ]);
  });

  it('of two equal cards gives two; of one card told twice, one', async () => {
    const one = /<gpu (.|\n)*<\/gpu>/.exec(await recording('rtx-3060-v12.xml'))?.[0] ?? '';
    const twice = (more: string) =>
      cardOf('rtx-3060-v12.xml', (xml) => xml.replace('</nvidia_smi_log>', `${more}</nvidia_smi_log>`));
    const equal = await twice(one.replace('GPU-d6889ff6', 'GPU-aaaaaaaa'));
    expect(equal?.devices.map(({ device }) => device.uuid.slice(0, 12))).toEqual([
      'GPU-d6889ff6',
      'GPU-aaaaaaaa',
    ]);
    expect((await twice(one))?.devices).toHaveLength(1);
  });

  it.each([
    [
      'memory beyond any card',
      '<total>12288 MiB',
      '<total>99999999999 MiB',
      /does not tell its memory: "99999999999 MiB"/,
    ],
    ['no memory', '<total>12288 MiB', '<total>0 MiB', /does not tell its memory/],
    ['a negative amount', '<total>12288 MiB', '<total>-5 MiB', /does not tell its memory/],
    ['no name and no id', /<uuid>.*<\/uuid>/, '', /does not tell its uuid: nothing is printed/],
    ['an id that would end a list', '<uuid>GPU-d6', '<uuid>GPU-all,GPU-d6', /does not tell its uuid/],
    ['a card that no task may use', '<compute_mode>Default', '<compute_mode>Prohibited', /Prohibited/],
  ])('that is absurd is no device: %s', async (_, what, instead, words) => {
    const found = await cardOf('rtx-3060-v12.xml', (xml) => xml.replace(what, instead));
    expect(found?.devices).toEqual([]);
    expect(found?.problems[0]).toMatch(words);
  });

  it('in the words of drivers before 304 is understood', async () => {
    const found = await cardOf('gtx-1070-ti.xml', (xml) =>
      xml.replaceAll('fb_memory_usage', 'memory_usage').replaceAll(' MiB', ' MB'),
    );
    expect(found?.devices[0]?.device).toMatchObject({ vramBytes: 4096 * MiB, foreignBytes: 42 * MiB });
  });

  it.each(['', 'No devices were found', '<nvidia_smi_log', '<html><body/></html>'])('is not %j', (text) => {
    expect(readNvidiaSmi(text, new Map())).toBeUndefined();
  });

  it('without cards gives none', () => {
    const text = '<nvidia_smi_log><driver_version>1</driver_version></nvidia_smi_log>';
    expect(readNvidiaSmi(text, new Map())).toEqual({ devices: [], complete: true, problems: [] });
  });
});

describe('a card in MIG mode', () => {
  const instance = (index: number, gi: number, mib: number) => `<mig_device><index>${index}</index>
    <gpu_instance_id>${gi}</gpu_instance_id><compute_instance_id>0</compute_instance_id>
    <fb_memory_usage><total>${mib} MiB</total><used>3 MiB</used><free>${mib - 3} MiB</free></fb_memory_usage></mig_device>`;
  const split = (xml: string) =>
    xml
      .replace(/<current_mig>.*<\/current_mig>/, '<current_mig>Enabled</current_mig>')
      .replace(/<mig_devices>[^<]*/, `<mig_devices>${instance(0, 1, 4864)}${instance(1, 2, 9856)}`)
      .replace('<used_memory>1005 MiB', '<used_memory>900 MiB')
      .replace(
        /<gpu_instance_id>N\/A<\/gpu_instance_id>\s*<compute_instance_id>N\/A<\/compute_instance_id>\s*<pid>5762/,
        '<gpu_instance_id>2</gpu_instance_id><compute_instance_id>0</compute_instance_id><pid>5762',
      );

  it('offers its instances and not itself', async () => {
    const xml = split(await recording('tesla-t4.xml'));
    const card = /GPU-[0-9a-f-]+/.exec(xml)?.[0] ?? '';
    const names = readMigNames(
      `GPU 0: Tesla T4 (UUID: ${card})\n  MIG 1g.5gb      Device  0: (UUID: MIG-aaaa)\n  MIG 2g.10gb     Device  1: (UUID: MIG-bbbb)\n`,
    );
    const found = readNvidiaSmi(xml, new Map([[card, 80]]), names);
    expect(found?.devices.map(({ device }) => device)).toMatchObject([
      { uuid: 'MIG-aaaa', name: 'Tesla T4 MIG 1g.5gb', vramBytes: 4864 * MiB, computeCapability: 80 },
      { uuid: 'MIG-bbbb', name: 'Tesla T4 MIG 2g.10gb', vramBytes: 9856 * MiB, foreignBytes: 3 * MiB },
    ]);
    expect(found?.devices.map(({ processes }) => processes.map(({ pid }) => pid))).toEqual([[], [5762]]);
  });

  it('without instances is no device, and says so', async () => {
    const found = readNvidiaSmi(split(await recording('tesla-t4.xml')), new Map());
    expect(found?.devices).toEqual([]);
    expect(found?.problems).toEqual([
      'Tesla T4 is in MIG mode and has no instance that could be read: create some, or turn MIG off',
    ]);
  });
});

it('knows the compute capability of the reference grid by chip and by name', () => {
  expect(guessComputeCapability('Graphics Device', '1C0310DE')).toBe(61);
  expect(guessComputeCapability('', '250310DE')).toBe(86);
  expect(guessComputeCapability('NVIDIA GeForce GTX 1060 6GB', '')).toBe(61);
  expect(guessComputeCapability('NVIDIA GeForce RTX 3060', 'N/A')).toBe(86);
  expect(guessComputeCapability('Tesla T4', '')).toBe(75);
  expect(guessComputeCapability('NVIDIA A10G', '')).toBe(86);
  expect(guessComputeCapability('NVIDIA H100 80GB HBM3', '')).toBe(90);
  // Another maker's number says nothing of ours.
  expect(guessComputeCapability('Voodoo 2', '25031002')).toBe(0);
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

  const found = (computeCapability: number, problems: readonly unknown[] = []) => ({
    ok: true,
    reading: { devices: [{ device: { computeCapability } }], problems },
  });

  it('finds no devices where it is not installed', async () => {
    expect(await findDevices(join(folder, 'missing'))).toMatchObject({ ok: false, missing: true });
  });

  it('asks twice: for the report, and for compute capabilities', async () => {
    await write(`[ "$1" = -q ] && exec cat ${join(fixtures, 'rtx-3060-v12.xml')}; echo "${rtx3060}, 8.9"`);
    expect(await findDevices(program)).toMatchObject(found(89));
  });

  it('does without the second answer', async () => {
    await write(`[ "$1" = -q ] && exec cat ${join(fixtures, 'rtx-3060-v12.xml')}; exit 1`);
    expect(await findDevices(program)).toMatchObject(found(86));
  });

  it('takes what is told of the others when one card is lost', async () => {
    const lost = 'Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.';
    await write(
      `[ "$1" = -q ] && { cat ${join(fixtures, 'rtx-3060-v12.xml')}; echo "${lost}" >&2; exit 15; }; exit 1`,
    );
    expect(await findDevices(program)).toMatchObject(found(86, [expect.stringContaining('GPU is lost')]));
  });

  it('asks for the ids of MIG instances only where there are some', async () => {
    const log = join(folder, 'asked');
    await write(`echo "$1" >> ${log}; [ "$1" = -q ] && exec cat ${join(fixtures, 'a10g.xml')}; exit 1`);
    await findDevices(program);
    expect((await readFile(log, 'utf8')).split('\n').sort()).toEqual([
      '',
      '--query-gpu=uuid,compute_cap',
      '-q',
    ]);
  });

  it('says that it hangs, fails or talks nonsense', async () => {
    await write('exec sleep 60');
    expect(await findDevices(program, 100)).toEqual({
      ok: false,
      missing: false,
      why: `${program} did not answer within 100 ms`,
    });
    await write('echo "driver/library version mismatch" >&2; exit 18');
    expect(await findDevices(program)).toEqual({
      ok: false,
      missing: false,
      why: `${program} failed: driver/library version mismatch`,
    });
    await write('echo hello');
    expect(await findDevices(program)).toMatchObject({ ok: false });
  });
});
