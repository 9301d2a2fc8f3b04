/** The disk that holds everything of a grid fills up and is emptied again. Needs root (mount). */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tinyLlama, writeGguf } from '@gryphgen/testkit';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { llamaProgram } from '../conformance/llama-program.ts';
import { GridFixture, type Running } from './cli-grid.fixture.ts';
import { fillDisk } from './full-disk.fixture.ts';

const diskBytes = 48 * 1024 * 1024;

let grid: GridFixture;
let disk: string;

beforeEach(() => {
  grid = new GridFixture();
  disk = join(grid.home, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk]);
  grid.env.GRID_HOME = join(disk, 'home');
});

afterEach(async () => {
  await grid.grid('down');
  execFileSync('umount', [disk]);
  await grid.stop();
});

function daemons(): string {
  const { pid } = JSON.parse(readFileSync(join(disk, 'home', 'up.json'), 'utf8')) as { pid: number };
  return `${pid}: ${readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')}`;
}

it.skipIf(process.getuid?.() !== 0)(
  'a full disk ends nothing that runs; what ended meanwhile is told when there is room',
  async () => {
    expect((await grid.grid('up', '--detach')).code).toBe(0);
    const before = daemons();
    const flag = join(grid.home, 'go');
    const id = await grid.submit('--', 'sh', '-c', `until [ -e ${flag} ]; do sleep 0.2; done`);
    const following = grid.start('wait', id);
    while ((await grid.json<{ state: string }>('show', id)).state !== 'running');
    const ballast = await fillDisk(disk);
    // Its end cannot be recorded now; heartbeats, heads and warnings go on beside it.
    writeFileSync(flag, '');
    const submitted = grid.start('submit', '--', 'true');
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    expect(daemons()).toBe(before);
    // What is there can be looked at meanwhile.
    expect(await grid.json('show', id)).toMatchObject({ id });
    rmSync(ballast);
    expect((await following.end()).code).toBe(0);
    expect(await grid.json('show', id)).toMatchObject({ state: 'succeeded', attempts: 1 });
    expect(daemons()).toBe(before);
    // What was asked while it was full was refused, or taken when there was room: never half.
    const late = await submitted.end();
    if (late.code === 0) expect((await grid.grid('wait', late.stdout.trim())).code).toBe(0);
    else expect(late.stderr).toContain('unplaceable.journal');
    expect((await grid.grid('submit', '--wait', '--', 'true')).code).toBe(0);
  },
);

it.skipIf(process.getuid?.() !== 0)(
  'a model is not measured where the disk of the worker is full: that is said at once, and nothing half is left',
  async () => {
    const forge = new GridFixture();
    let worker: Running | undefined;
    try {
      const { broker } = await forge.json<{ broker: string }>(
        'up',
        '--detach',
        '--listen',
        'tcp://127.0.0.1:*',
      );
      const [reach = ''] = broker.split(',').filter((endpoint) => endpoint.startsWith('tcp:'));
      const { ticket } = await forge.json<{ ticket: string }>('ticket', 'create', '--reach', reach);
      const joined = await grid.grid('join', '--yes', '--no-service', '--name', 'anvil', ticket);
      expect(joined).toMatchObject({ code: 0 });
      Object.assign(grid.env, { GRID_LLAMA_SERVER: llamaProgram('llama-server'), GRID_MIN_DISK_FREE: '0' });
      worker = grid.start('worker');
      while (!(await forge.grid('engine', 'ls')).stdout.includes('anvil'));
      await fillDisk(disk);
      const { metadata, tensors } = tinyLlama();
      await writeGguf(join(forge.home, 'tiny.gguf'), metadata, tensors);
      // The file is the broker's to keep, which has room.
      const added = await forge.grid('models', 'add', 'tiny', 'tiny.gguf', '--ctx', '512', '--slots', '1');
      expect(added).toMatchObject({ code: 0 });
      const tuned = await forge.grid('tune', 'tiny', '--worker', 'anvil', '--trials', '3');
      expect(tuned).toMatchObject({ code: 1, stderr: expect.stringMatching(/the disk has no room|ENOSPC/) });
      expect(await forge.json('models', 'ls')).toMatchObject([{ name: 'tiny', tunings: [], instances: [] }]);
      for (const folder of ['partial', 'files', 'artifacts'])
        expect(readdirSync(join(disk, 'home', 'worker', 'artifacts', 'store', folder))).toEqual([]);
    } finally {
      worker?.child.kill();
      await worker?.end();
      await forge.stop();
    }
  },
);
