/** What `grid doctor` says of machines that lack something: the fact, and what to do. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkClock } from './clock.ts';
import { checkDevices, nvidiaCards } from './devices.ts';
import { checkDocker } from './docker.ts';
import { checked, checkHome, checkNode, judgeDisk } from './machine.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const now = Date.UTC(2026, 10, 21);
const GiB = 1024 ** 3;

it('an old Node.js', () => {
  expect(checkNode('v20.19.0').state).toBe('ok');
  expect(checkNode('v24.1.0').state).toBe('ok');
  expect(checkNode('v18.20.4')).toMatchObject({ state: 'error', fix: 'install Node.js 20.19 or newer' });
});

it('a disk that is nearly or quite full', () => {
  expect(judgeDisk('/h', 3 * GiB)).toEqual({ name: 'disk', state: 'ok', found: '3 GiB free for /h' });
  expect(judgeDisk('/h', GiB)).toMatchObject({
    state: 'warning',
    fix: expect.stringContaining('at least 2 GiB'),
  });
  expect(judgeDisk('/h', 0)).toMatchObject({ state: 'error', found: '0 B free for /h' });
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
