/** `grid up` and `grid down`: one machine's grid as processes that are started, supervised and stopped. */
import { once } from 'node:events';
import { existsSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { GridFixture, type Running } from './cli-grid.fixture.ts';

let grids: GridFixture[];
beforeEach(() => {
  grids = [];
});
afterEach(async () => {
  await Promise.all(grids.map((grid) => grid.stop()));
});

function newGrid(): GridFixture {
  const grid = new GridFixture();
  grids.push(grid);
  return grid;
}

it('detached: returns when all answers, is up once, and is gone after down', async () => {
  const grid = newGrid();
  const up = await grid.json<{ home: string; broker: string; gateway: string }>('up', '--detach');
  expect(up).toEqual({
    home: grid.home,
    broker: expect.stringMatching(/^ipc:\/\//),
    gateway: expect.stringMatching(/^http:\/\/127\.0\.0\.1:[0-9]+$/),
  });
  expect(await (await fetch(`${up.gateway}/health`)).json()).toEqual({ status: 'ok' });
  expect((await grid.grid('submit', '--wait', '--', 'true')).code).toBe(0);
  const again = await grid.grid('up', '--detach');
  expect(again.stderr).toContain('already up');
  expect(again.code).toBe(0);
  expect(await grid.json('down')).toMatchObject({ stopped: true });
  expect((await grid.grid('ps')).code).toBe(6);
  expect(await grid.json('down')).toMatchObject({ stopped: false });
});

it('keeps what was done over a restart', async () => {
  const grid = newGrid();
  await grid.grid('up', '--detach');
  const id = await grid.submit('--', 'echo', 'kept');
  await grid.grid('wait', id);
  await grid.grid('down');
  await grid.grid('up', '--detach');
  expect(await grid.json('show', id)).toMatchObject({ id, state: 'succeeded' });
  expect((await grid.grid('logs', id)).stdout).toBe('kept\n');
});

it('in the foreground: says what it found, restarts what dies, stops at a signal', async () => {
  const grid = newGrid();
  const up = grid.start('up', '--name', 'forge');
  await up.said('slots');
  expect(up.stdout).toContain('the grid is up');
  expect(up.stdout).toContain('forge');
  const log = readFileSync(join(grid.home, 'up.json'), 'utf8');
  expect(JSON.parse(log)).toMatchObject({ pid: up.child.pid });
  for (const child of childrenOf(up.child.pid ?? 0)) process.kill(child, 'SIGKILL');
  // The client waits for the broker that is being restarted.
  expect((await grid.grid('submit', '--wait', '--', 'echo', 'again')).stdout).toBe('again\n');
  for (const name of ['broker', 'worker', 'gateway'])
    await expect
      .poll(() => up.stderr, { timeout: 20_000 })
      .toContain(`${name} ended with SIGKILL; starting it again`);
  await expect.poll(() => childrenOf(up.child.pid ?? 0), { timeout: 20_000 }).toHaveLength(3);
  const children = childrenOf(up.child.pid ?? 0);
  up.child.kill('SIGTERM');
  expect((await up.end()).code).toBe(0);
  expect(children.filter(isAlive)).toEqual([]);
});

it('leaves no daemon behind when the supervisor is killed, and comes up again', async () => {
  const grid = newGrid();
  const up = grid.start('up');
  await up.said('slots');
  const children = childrenOf(up.child.pid ?? 0);
  expect(children).toHaveLength(3);
  up.child.kill('SIGKILL');
  await up.end();
  // The journal and the socket are free when the next one answers.
  const next = await grid.grid('up', '--detach');
  expect(next.code, next.stderr).toBe(0);
  expect(children.filter(isAlive)).toEqual([]);
});

/** A task whose process runs until it is ended, and that process. */
async function runsForLong(grid: GridFixture): Promise<{ readonly id: string; readonly pid: number }> {
  const id = await grid.submit('--', 'sh', '-c', 'echo $$; exec sleep 600');
  const following = grid.start('logs', '-f', id);
  await following.said('\n');
  following.child.kill();
  return { id, pid: Number(following.stdout) };
}

it('ends processes with the grid: at down, at a signal, and when the supervisor is killed', async () => {
  const ends = [
    async (grid: GridFixture) => grid.grid('down'),
    async (_: GridFixture, up: Running) => up.child.kill('SIGTERM'),
    async (_: GridFixture, up: Running) => up.child.kill('SIGKILL'),
    // Its worker with it, which can then end nothing; the next grid does.
    async (grid: GridFixture, up: Running) => {
      for (const child of childrenOf(up.child.pid ?? 0)) process.kill(child, 'SIGKILL');
      up.child.kill('SIGTERM');
      await up.end();
      await grid.grid('down');
    },
  ];
  for (const end of ends) {
    const grid = newGrid();
    const up = grid.start('up');
    await up.said('slots');
    const { pid } = await runsForLong(grid);
    expect(isAlive(pid)).toBe(true);
    await end(grid, up);
    await up.end();
    await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
  }
}, 180_000);

it('keeps processes running while their worker is killed and started again', async () => {
  const grid = newGrid();
  const up = grid.start('up');
  await up.said('slots');
  const flag = join(grid.home, 'go');
  const id = await grid.submit(
    '--',
    'sh',
    '-c',
    `echo one; until [ -e ${flag} ]; do sleep 0.1; done; echo two`,
  );
  const following = grid.start('logs', '-f', id);
  await following.said('one');
  for (const child of childrenOf(up.child.pid ?? 0)) process.kill(child, 'SIGKILL');
  // Whoever is told where it runs is told by the worker that holds it again.
  await expect
    .poll(() => up.stderr, { timeout: 20_000 })
    .toContain('worker ended with SIGKILL; starting it again');
  writeFileSync(flag, '');
  expect((await grid.grid('wait', id)).code).toBe(0);
  expect(await grid.json('show', id)).toMatchObject({ state: 'succeeded', attempts: 1 });
  expect((await following.end()).stdout).toBe('one\ntwo\n');
});

it('leaves nothing behind when whoever asked for --detach is gone before it answers', async () => {
  const grid = newGrid();
  const up = grid.start('up', '--detach');
  const file = join(grid.home, 'up.json');
  const written = (): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');
  await until(grid.home, () => written() !== '');
  const supervisor = JSON.parse(written()) as { pid: number };
  up.child.kill('SIGKILL');
  await up.end();
  await until(grid.home, () => !existsSync(file));
  expect(childrenOf(supervisor.pid)).toEqual([]);
  expect((await grid.grid('ps')).code).toBe(6);
});

it('says why it cannot come up', async () => {
  const grid = newGrid();
  const { code, stderr } = await grid.grid('up', '--detach', '--listen', 'tcp://203.0.113.1:7600');
  // By the broker, or the worker, which has a port of its own there: whoever is first.
  expect(stderr).toMatch(/cannot listen at tcp:\/\/203\.0\.113\.1:(7600|\*): /);
  expect(code).toBe(6);
});

it('two homes never meet', async () => {
  const [one, two] = [newGrid(), newGrid()];
  await Promise.all([
    one.grid('up', '--detach', '--name', 'one'),
    two.grid('up', '--detach', '--name', 'two'),
  ]);
  const id = await one.submit('--', 'true');
  expect((await one.grid('wait', id)).code).toBe(0);
  expect((await two.grid('show', id)).code).toBe(3);
  expect(await two.json('nodes')).toMatchObject([{ name: 'two' }]);
  // Even at the other's endpoint: its keys are unknown there.
  const { broker } = await one.json<{ broker: string }>('up', '--detach');
  const { code } = await two.grid('ps', '--broker', broker);
  expect(code).toBe(6);
});

/** When something in `folder` changes and it is so; at once when it is so already. */
async function until(folder: string, isSo: () => boolean): Promise<void> {
  const changes = watch(folder);
  try {
    while (!isSo()) await once(changes, 'change');
  } finally {
    changes.close();
  }
}

/** As Linux knows them; none of a process that is gone. */
function childrenOf(pid: number): number[] {
  const list = `/proc/${pid}/task/${pid}/children`;
  const text = existsSync(list) ? readFileSync(list, 'utf8').trim() : '';
  return text === '' ? [] : text.split(' ').map(Number);
}

/** A process that ended is still listed where the machine's first process takes no note of its children. */
function isAlive(pid: number): boolean {
  try {
    return !/^\S+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
