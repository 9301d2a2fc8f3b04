/** `grid` without a grid: what it says then, settings, doctor. (The command line itself: packages/cli.) */
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, copyFileSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';

let grid: GridFixture;
beforeAll(() => {
  grid = new GridFixture();
});
afterAll(() => grid.stop());

describe('a mistake', () => {
  it('is told on stderr, with exit code 2', async () => {
    const { code, stdout, stderr } = await grid.grid('submt');
    expect(stderr).toContain('Did you mean submit?');
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('in a file is told with its place', async () => {
    const file = grid.file('bad.yaml', 'command: [x]\nresources:\n  memory: 12 bananas\n');
    const { code, stderr } = await grid.grid('submit', file);
    expect(code).toBe(2);
    expect(stderr).toContain(
      'bad.yaml:3:11: resources.memory: found "12 bananas", expected a size such as 256MiB',
    );
  });
});

describe('the program', () => {
  const program = join(import.meta.dirname, '../../packages/cli/bin/grid.js');

  it('that is not built yet says how to build it', () => {
    mkdirSync(join(grid.home, 'bin'));
    const copy = join(grid.home, 'bin', 'grid.mjs');
    copyFileSync(program, copy);
    const { status, stderr } = spawnSync(process.execPath, [copy, 'ps'], { encoding: 'utf8' });
    expect(stderr).toContain('not built yet: ./scripts/quickstart.sh');
    expect(status).toBe(2);
  });

  it('fails when what it says cannot be written, and not when nobody wants more of it', () => {
    const full = openSync('/dev/full', 'w');
    const stdio = ['ignore', full, 'pipe'] as const;
    const { status, stderr } = spawnSync(process.execPath, [program, '--help'], {
      stdio: [...stdio],
      encoding: 'utf8',
    });
    closeSync(full);
    expect(stderr).toContain('the output cannot be written: ENOSPC');
    expect(status).toBe(1);
    const piped = `"${process.execPath}" "${program}" --help | true; exit \${PIPESTATUS[0]}`;
    expect(spawnSync('bash', ['-c', piped], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  });
});

describe('without a grid', () => {
  it('commands that need one say so at once, and how to start one', async () => {
    const { code, stderr } = await grid.grid('ps');
    expect(code).toBe(6);
    expect(stderr).toContain('grid up');
    expect(await grid.json('ps')).toMatchObject({ failure: { code: 'lost.broker' } });
  });

  it('config show says where each setting came from', async () => {
    expect(await grid.json('config', 'show', '--broker', 'tcp://forge:7600')).toMatchObject({
      home: { value: grid.home, from: 'environment' },
      broker: { value: ['tcp://forge:7600'], from: 'flag' },
      logLevel: { value: 'warn', from: 'environment' },
      listen: { from: 'default' },
      policy: { value: `${grid.home}/policy.yaml`, from: 'default' },
    });
  });

  it('doctor says what this machine has', async () => {
    const { checks, devices } = await grid.json<{
      checks: { name: string; state: string }[];
      devices: unknown[];
    }>('doctor');
    expect(checks.map(({ name }) => name)).toEqual([
      ...['node', 'kernel', 'home', 'disk', 'memory', 'clock'],
      ...['docker', 'engine', 'devices', 'toolkit', 'llama', 'speed', 'grid'],
    ]);
    expect(Array.isArray(devices)).toBe(true);
  });

  it('doctor tells of its devices, as the contract names them', async () => {
    const report = readFileSync(join(import.meta.dirname, '../fixtures/nvidia-smi/rtx-3060-v12.xml'), 'utf8');
    grid.file('report.xml', report);
    grid.file('nvidia-smi', '#!/bin/sh\n[ "$1" = -q ] && cat "$(dirname "$0")/report.xml"\n');
    chmodSync(join(grid.home, 'nvidia-smi'), 0o755);
    grid.env.PATH = `${grid.home}:${grid.env.PATH}`;
    const { devices } = await grid.json<{ devices: unknown[] }>('doctor');
    expect(devices[0]).toEqual({
      uuid: expect.stringMatching(/^GPU-/),
      name: expect.stringContaining('3060'),
      vramBytes: expect.any(Number),
      computeCapability: '8.6',
      foreignBytes: expect.any(Number),
    });
  });
});
