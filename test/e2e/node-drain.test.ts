/** `grid node drain --deadline`: what runs on a machine moves to another, by the spawned `grid` on real daemons. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Running } from './cli-grid.fixture.ts';
import { DaemonsFixture } from './daemons.fixture.ts';
import { image } from './executor-container-place.ts';

const grid = new DaemonsFixture();
/** Two tries run until they are asked to end, and then end well: that is no success. The third is one. */
const script =
  'trap "exit 0" TERM; echo "try $GRID_ATTEMPT"; while [ "$GRID_ATTEMPT" -lt 3 ]; do sleep 0.1; done';
const command = ['sh', '-c', script];
const workers = { forge: grid.home, anvil: '' };

const run = (...args: string[]) => new Running(args, grid.env, grid.home);

function startWorker(name: keyof typeof workers): void {
  grid.daemon(['worker', '--allow-process', '--name', name], workers[name]);
}

beforeAll(() => {
  grid.prepare();
  workers.anvil = grid.enrolWorker('anvil');
});
afterAll(async () => {
  await grid.stop();
  expect(grid.deaths).toEqual([]);
});

it('moves what still runs at the deadline, over a restart of the broker too, at no cost of its retries', {
  timeout: 120_000,
}, async () => {
  const broker = grid.daemon(['broker']);
  startWorker('forge');
  const client = await grid.client();
  const tasks = [
    client.submit({ kind: 'process', body: { command } }),
    client.submit({ kind: 'container', body: { image, command } }),
  ];
  const ids = await Promise.all(tasks.map(({ accepted }) => accepted));
  /** Resolves when both have said so, each on `node`. */
  const trying = async (no: number, node: string): Promise<void> => {
    for (const id of ids) {
      for await (const bytes of client.logs(id, { follow: true })) {
        if (Buffer.from(bytes).toString().includes(`try ${no}\n`)) break;
      }
      // What it says comes from its worker, that it runs from the broker: the one may be here before the other.
      await expect
        .poll(() => client.request('show', { task: id }), { timeout: 30_000 })
        .toMatchObject({ state: 'running', attempts: no, workerName: node });
    }
  };
  await trying(1, 'forge');
  startWorker('anvil');
  while ((await client.request('nodes', {})).length < 2) await new Promise(setImmediate);

  const drain = await run('node', 'drain', 'forge', '--deadline', '1s', '--wait').end();
  expect(drain.stderr).toMatch(/^forge is draining until \S+Z, 2 running: t1, t2$/m);
  expect(drain.stdout).toMatch(/^forge is draining until \S+Z, 0 running\n$/);
  expect(drain.code).toBe(0);
  await trying(2, 'anvil');
  expect((await run('nodes').end()).stdout).toMatch(/forge .* draining until \S+Z, 0 running /);
  expect((await run('node', 'resume', 'forge').end()).stdout).toBe('forge is ready\n');

  const planned = await run('node', 'drain', 'forge', '--at', '2h', '--for', '1h', '--json').end();
  expect(JSON.parse(planned.stdout)).toMatchObject({ state: 'ready', windows: [{ begun: false }] });
  expect((await run('node', 'resume', 'forge').end()).stdout).toBe('forge is ready\n');

  // Its deadline passes while nobody is there to see it.
  const second = await run('node', 'drain', 'anvil', '--deadline', '1s', '--json').end();
  expect(JSON.parse(second.stdout)).toMatchObject({
    draining: true,
    drainUntil: expect.stringMatching(/Z$/),
  });
  await broker.kill();
  broker.start();
  for (const { finished } of tasks) expect(await finished).toMatchObject({ state: 'succeeded', attempts: 3 });
  expect((await run('show', 't1').end()).stdout).toMatch(/^worker +forge/m);
});
