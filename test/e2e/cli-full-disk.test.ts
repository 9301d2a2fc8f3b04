/** The disk that holds everything of a grid fills up and is emptied again. Needs root (mount). */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';
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
