/** What `grid doctor` says of machines that lack something: the fact, and what to do. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createLog, systemClock } from '@gryphgen/runtime';
import { LlamaEngines } from '@gryphgen/worker';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkClock } from './clock.ts';
import { checkDevices, nvidiaCards } from './devices.ts';
import { checkDocker, isInDockerGroup } from './docker.ts';
import { checkEngine, checkToolkit, type EngineInfo, readEngineInfo } from './engine.ts';
import { checkKernel } from './kernel.ts';
import { checkLlama } from './llama.ts';
import { checkDisk, checked, checkHome, checkMemory, checkNode } from './machine.ts';
import { checkSpeed } from './speed.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const now = Date.UTC(2026, 10, 21);
const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

it('an old Node.js', () => {
  expect(checkNode('v20.19.0').state).toBe('ok');
  expect(checkNode('v24.1.0').state).toBe('ok');
  expect(checkNode('v18.20.4')).toMatchObject({ state: 'error', fix: 'install Node.js 20.19 or newer' });
});

it('a llama-server that is missing, wanted or broken', async () => {
  const log = createLog({ daemon: 'test', level: 'silent' });
  const look = (programs: string) => {
    const paths = { path: folder, libraries: '' };
    return checkLlama(new LlamaEngines({ programs, paths, clock: systemClock, log }), programs);
  };
  expect(await look('')).toMatchObject([{ state: 'ok', found: expect.stringContaining('no models') }]);
  expect(await look('llama-server')).toMatchObject([
    { state: 'ok', found: expect.stringContaining('no llama-server on the PATH'), fix: expect.any(String) },
  ]);
  writeFileSync(join(folder, 'llama-server'), '#!/bin/sh\necho hello\n', { mode: 0o755 });
  expect(await look('llama-server')).toMatchObject([
    { state: 'warning', found: expect.stringContaining('says no version: hello'), fix: expect.any(String) },
  ]);
});

it('a disk that is nearly or quite full', () => {
  const disk = (freeBytes: number) =>
    checkDisk('/h', { freeBytes, totalBytes: 100 * GiB, least: GiB, enough: 2 * GiB });
  expect(disk(3 * GiB)).toEqual({ name: 'disk', state: 'ok', found: '3 GiB free of 100 GiB for /h' });
  expect(disk(1.5 * GiB)).toMatchObject({
    state: 'warning',
    found: '1536 MiB free of 100 GiB for /h; below 1 GiB nothing new is taken',
    fix: expect.stringContaining('at least 2 GiB'),
  });
  expect(disk(0.5 * GiB)).toMatchObject({
    state: 'warning',
    found: '512 MiB free of 100 GiB for /h: too little, new work is taken above 2 GiB',
  });
  expect(disk(0)).toMatchObject({ state: 'error', found: expect.stringContaining('0 B free of 100 GiB') });
  const small = checkDisk('/h', { freeBytes: 10 * MiB, totalBytes: 48 * MiB, least: 0, enough: 0 });
  expect(small).toMatchObject({ state: 'error', fix: expect.stringContaining('at least 64 MiB') });
});

it('a machine that was not measured', () => {
  expect(checkSpeed(null)).toMatchObject({
    found: expect.stringContaining('not measured yet'),
    fix: expect.stringContaining('grid worker --calibrate'),
  });
  const whole = { cpuSingle: 0.714, cpuMulti: 11.4, memoryBytesPerS: 1e10, diskWriteBytesPerS: 2e8 };
  expect(checkSpeed({ at: now, ...whole, diskReadBytesPerS: 3e9 })).toEqual({
    name: 'speed',
    state: 'ok',
    found:
      '0.71 (all threads 11), memory 9.3 GiB/s, disk writes 190 MiB/s, reads 2.8 GiB/s, measured 2026-11-21T00:00:00Z',
  });
  expect(checkSpeed({ at: now, cpuSingle: 1 }).found).toBe('1, measured 2026-11-21T00:00:00Z');
});

it('too little memory', () => {
  const memory = (freeBytes: number) =>
    checkMemory({ freeBytes, totalBytes: 16 * GiB, least: GiB / 2, enough: GiB });
  expect(memory(8 * GiB)).toEqual({ name: 'memory', state: 'ok', found: '8 GiB available of 16 GiB' });
  expect(memory(GiB / 4)).toMatchObject({
    state: 'warning',
    found: '256 MiB available of 16 GiB: too little, new work is taken above 1 GiB',
    fix: expect.stringContaining('GRID_MIN_MEMORY_FREE'),
  });
});

/** A machine's /proc and /sys, as far as they are looked at. */
function machineWith(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(folder, 'root-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

it('a kernel that cannot hold containers to their limits, or not layer them', () => {
  const whole = {
    'sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory hugetlb pids rdma misc\n',
    'proc/filesystems': 'nodev\tproc\n\text4\nnodev\toverlay\n',
    'proc/sys/user/max_user_namespaces': '95000\n',
  };
  expect(checkKernel(machineWith(whole))).toEqual({
    name: 'kernel',
    state: 'ok',
    found: 'cgroups version 2, user namespaces, overlay',
  });
  const locked = { ...whole, 'proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' };
  expect(checkKernel(machineWith(locked))).toMatchObject({
    state: 'ok',
    found: expect.stringContaining('user namespaces for root alone'),
  });
  // A Raspberry Pi as it is delivered.
  const withoutMemory = { ...whole, 'sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io pids\n' };
  expect(checkKernel(machineWith(withoutMemory))).toMatchObject({
    state: 'warning',
    found: expect.stringContaining('nothing holds tasks to their memory'),
    fix: 'add cgroup_enable=memory to the kernel command line and reboot',
  });
  const old = {
    'sys/fs/cgroup/cpu/tasks': '',
    'sys/fs/cgroup/memory/tasks': '',
    'sys/fs/cgroup/pids/tasks': '',
    'proc/filesystems': 'nodev\tproc\n\text4\n',
  };
  expect(checkKernel(machineWith(old))).toMatchObject({
    state: 'warning',
    found:
      'cgroups version 1; no user namespaces (a rootless engine would need them); newer engines and systemd need version 2, and processes of tasks to be held to what they ask for; no overlay file system: images are copied whole',
    fix: expect.stringMatching(/systemd.unified_cgroup_hierarchy.*modprobe overlay/),
  });
  expect(checkKernel(machineWith({}))).toMatchObject({ found: expect.stringContaining('no cgroups') });
});

const engineInfo = (more: object): EngineInfo => {
  const text = JSON.stringify({ Driver: 'overlay2', DockerRootDir: '/var/lib/docker', ...more });
  const info = readEngineInfo(text);
  if (info === undefined) throw new Error(text);
  return info;
};

it('an engine that cannot limit what tasks take, or copies every layer', () => {
  expect(checkEngine(engineInfo({ MemoryLimit: true, PidsLimit: true }))).toMatchObject({ state: 'ok' });
  expect(checkEngine(engineInfo({ MemoryLimit: false, PidsLimit: false }))).toMatchObject({
    state: 'warning',
    found: 'it cannot limit memory, processes: a task may take what others were promised',
  });
  expect(checkEngine(engineInfo({ Driver: 'vfs' }))).toMatchObject({
    state: 'warning',
    fix: expect.stringContaining('overlay2'),
  });
  expect(readEngineInfo('hello')).toBeUndefined();
});

it('GPUs that the engine cannot hand to containers', () => {
  const plain = engineInfo({
    Runtimes: { runc: {} },
    CDISpecDirs: [join(folder, 'cdi'), join(folder, 'none')],
  });
  const toolkit = (devices: number, hook: boolean, engine: EngineInfo | undefined = plain) =>
    checkToolkit(engine, { devices, hook });
  expect(toolkit(0, false)).toMatchObject({ state: 'ok' });
  expect(checkToolkit(undefined, { devices: 2, hook: false })).toMatchObject({ state: 'ok' });
  expect(toolkit(1, false)).toMatchObject({
    state: 'warning',
    found: 'no NVIDIA container toolkit: containers get no GPU, processes do',
    fix: expect.stringMatching(/install nvidia-container-toolkit.*nvidia-ctk runtime configure/),
  });
  expect(toolkit(1, true)).toMatchObject({
    state: 'warning',
    found: expect.stringContaining('the engine does not know it'),
    fix: expect.stringContaining('restart docker'),
  });
  expect(toolkit(1, true, engineInfo({ Runtimes: { runc: {}, nvidia: {} } }))).toMatchObject({
    state: 'ok',
    found: 'the engine can hand out GPUs (runtime nvidia)',
  });
  mkdirSync(join(folder, 'cdi'));
  writeFileSync(join(folder, 'cdi', 'nvidia.yaml'), '');
  expect(toolkit(1, false)).toMatchObject({ state: 'ok', found: expect.stringContaining('CDI') });
});

it('a user whom the group docker has, and one whom it has not', () => {
  const groups = join(folder, 'group');
  writeFileSync(groups, 'root:x:0:\ndocker:x:999:ann,bob\nusers:x:100:eve\n');
  expect(['ann', 'bob', 'eve', 'an'].map((user) => isInDockerGroup(user, groups))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(isInDockerGroup('ann', join(folder, 'none'))).toBe(false);
});

it('a home that is not there, open to others, or a file', async () => {
  expect(checkHome(join(folder, 'new', 'home')).found).toContain('is not there yet');
  chmodSync(folder, 0o755);
  expect(checkHome(folder)).toMatchObject({ state: 'warning', fix: `chmod 700 ${folder}` });
  chmodSync(folder, 0o700);
  expect(checkHome(folder).state).toBe('ok');
  writeFileSync(join(folder, 'file'), '');
  expect(checkHome(join(folder, 'file'))).toMatchObject({
    state: 'error',
    found: expect.stringContaining('no folder'),
  });
  const through = await checked('home', () => checkHome(join(folder, 'file', 'home')));
  expect(through).toMatchObject({ state: 'error', fix: 'is GRID_HOME right?' });
});

it('a key that others can read', () => {
  mkdirSync(join(folder, 'keys'), { mode: 0o700 });
  const key = join(folder, 'keys', 'admin.json');
  writeFileSync(key, '{}', { mode: 0o644 });
  expect(checkHome(folder)).toMatchObject({
    state: 'error',
    fix: expect.stringContaining(`chmod 600 ${key}`),
  });
});

it('a file system that may not be written to', async () => {
  const refusal = Object.assign(new Error('EROFS'), { code: 'EROFS', syscall: 'access', path: '/h' });
  const check = await checked('home', () => {
    throw refusal;
  });
  expect(check).toEqual({
    name: 'home',
    state: 'error',
    found: 'cannot access /h: the file system is read-only (EROFS)',
    fix: 'set GRID_HOME to where it is not',
  });
});

it('a clock that is not synchronised, or was set back', () => {
  expect(checkClock(join(folder, 'none'), now, true)).toMatchObject({ state: 'ok' });
  expect(checkClock(join(folder, 'none'), now, undefined)).toMatchObject({ state: 'ok' });
  expect(checkClock(join(folder, 'none'), now, false)).toMatchObject({ state: 'warning' });
  const file = join(folder, 'grid.json');
  writeFileSync(file, '');
  utimesSync(file, now / 1000 + 7200, now / 1000 + 7200);
  expect(checkClock(folder, now, true)).toMatchObject({
    state: 'error',
    found: expect.stringContaining('at least 2 h 0 m behind'),
    fix: expect.stringContaining('timedatectl'),
  });
});

it('cards without a driver', () => {
  const card = (name: string, vendor: string, kind: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'vendor'), `${vendor}\n`);
    writeFileSync(join(folder, name, 'class'), `${kind}\n`);
  };
  card('0000:01:00.0', '0x10de', '0x030000');
  card('0000:01:00.1', '0x10de', '0x040300'); // its sound
  card('0000:02:00.0', '0x8086', '0x030000');
  expect(nvidiaCards(folder)).toBe(1);
  expect(nvidiaCards(join(folder, 'none'))).toBe(0);
  const none = { ok: false, missing: true, why: 'there is no nvidia-smi' } as const;
  expect(checkDevices(none, 0)).toMatchObject({ state: 'ok', found: 'no NVIDIA GPU' });
  expect(checkDevices(none, 1)).toMatchObject({ state: 'warning', fix: expect.stringContaining('driver') });
  expect(checkDevices({ ok: false, missing: false, why: 'nvidia-smi failed' }, 1)).toMatchObject({
    state: 'warning',
  });
});

it('no Docker engine, or something else in its place', async () => {
  const asked = (path: string) => checkDocker({ DOCKER_HOST: `unix://${path}` });
  expect(await asked(join(folder, 'none'))).toMatchObject({
    state: 'warning',
    found: `no engine: there is no ${join(folder, 'none')}`,
    fix: expect.stringContaining('apt-get install docker.io'),
  });
  const server = createServer((_, response) => response.end('hello')).listen(join(folder, 'other'));
  await new Promise((resolve) => server.once('listening', resolve));
  expect(await asked(join(folder, 'other'))).toMatchObject({
    state: 'warning',
    found: expect.stringContaining('does not answer as expected'),
  });
  await new Promise((resolve) => server.close(resolve));
});
