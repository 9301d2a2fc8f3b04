/**
 * kill -9 of broker, worker and both, at random moments, under a load of containers and no-ops; and a worker that is
 * paused past its lease. Real daemons, real engine, real disk.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client, Outcome } from '@gryphgen/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ContainerStarts, type Daemon, DaemonsFixture } from './daemons.fixture.ts';
import { checkJournal } from './journal-check.fixture.ts';

let grid: DaemonsFixture;

beforeEach(() => {
  grid = new DaemonsFixture();
  grid.prepare();
});

afterEach(async () => {
  await grid.stop();
  expect(grid.deaths).toEqual([]);
});

/** Keeps a number of tasks under way until it is told to stop. */
class Load {
  readonly outcomes = new Map<number, Outcome>();
  private readonly lanes: Promise<void>[];
  private stopping = false;
  private readonly waiting: (() => void)[] = [];

  constructor(lanes: number, submit: () => ReturnType<Client['submit']>) {
    this.lanes = Array.from({ length: lanes }, () => this.lane(submit));
  }

  private async lane(submit: () => ReturnType<Client['submit']>): Promise<void> {
    while (!this.stopping) {
      const { accepted, finished } = submit();
      const id = await accepted;
      const outcome = await finished;
      if (this.outcomes.has(id)) throw new Error(`t${id} was answered twice`);
      this.outcomes.set(id, outcome);
      for (const wake of this.waiting.splice(0)) wake();
    }
  }

  /** Resolves when one more has ended. */
  another(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Resolves when everything under way has ended. */
  async drain(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.lanes);
  }
}

const small = { cpuMilli: 10, memoryBytes: 16 * 2 ** 20, diskBytes: 0 };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('50 times kill -9: what was acknowledged commits once, and no container starts twice', {
  timeout: 400_000,
}, async () => {
  const starts = new ContainerStarts(grid.home);
  grid.onStop(() => starts.stop());
  const daemons: Record<'broker' | 'worker', Daemon> = {
    broker: grid.daemon(['broker']),
    worker: grid.daemon(['worker', '--noop']),
  };
  const client = await grid.client();
  const noops = new Load(40, () => client.submit({ kind: 'noop', resources: { ...small, memoryBytes: 0 } }));
  const body = { image: 'gryphgen-test:latest', command: ['sh', '-c', 'sleep 0.3'] };
  const containers = new Load(3, () =>
    client.submit({ kind: 'container', resources: { ...small, cpuMilli: 250 }, body }),
  );
  const rounds = 50;
  const enough = () => noops.outcomes.size > 200 && containers.outcomes.size > 20;
  for (let round = 0; round < rounds || !enough(); round += 1) {
    // On a slow machine little ends between crashes that follow so closely.
    if (round >= rounds) await containers.another();
    // A random moment, not a wait for something: crashes come when they come.
    await pause(200 + Math.random() * 2000);
    const victims = [['broker'], ['worker'], ['broker', 'worker']][round % 3] as ('broker' | 'worker')[];
    await Promise.all(victims.map((name) => daemons[name].kill()));
    for (const name of victims) daemons[name].start();
  }
  await Promise.all([noops.drain(), containers.drain()]);

  for (const load of [noops, containers]) {
    const bad = [...load.outcomes].filter(([, { state }]) => state !== 'succeeded');
    expect(bad).toEqual([]);
  }
  await starts.seen(containers.outcomes.keys());
  const twice = [...starts.byTask].filter(([, count]) => count > 1);
  expect(twice).toEqual([]);
  for (const id of containers.outcomes.keys()) expect(starts.byTask.get(String(id))).toBe(1);

  const status = await client.request('status', {});
  expect(status.live).toBe(0);
  expect(status.journal.findings).toEqual([]);
  await client.close();
  await daemons.worker.end();
  await daemons.broker.end();
  await checkJournal(join(grid.home, 'journal'), [...noops.outcomes.keys(), ...containers.outcomes.keys()]);
});

test('a worker paused past its lease: its work moves, and what it still says is fenced', {
  timeout: 120_000,
}, async () => {
  const elsewhere = grid.enrolWorker('bellows');
  grid.daemon(['broker']);
  const paused = grid.daemon(['worker', '--name', 'anvil', '--allow-process']);
  const client = await grid.client();
  // On the one it would run until it is ended, however late this notices that it runs.
  const moved = join(grid.home, 'moved');
  const task = client.submit({
    kind: 'process',
    body: { command: ['sh', '-c', `[ -e ${moved} ] || exec sleep 600`] },
  });
  const id = await task.accepted;
  const running = new Promise<void>((resolve) => {
    client.watch(id, { onChange: ({ state }) => state === 'running' && resolve() });
  });
  await running;
  paused.signal('SIGSTOP');
  // One, unless the worker was silent for so long meanwhile that its first try was given up.
  const { attempts } = await client.request('show', { task: id });
  writeFileSync(moved, '');
  grid.daemon(['worker', '--name', 'bellows', '--allow-process'], elsewhere);
  const outcome = await task.finished;
  expect(outcome).toMatchObject({ state: 'succeeded', attempts: attempts + 1 });
  expect((await client.request('show', { task: id })).workerName).toBe('bellows');
  const before = (await client.request('status', {})).counters.fenced ?? 0;
  paused.signal('SIGCONT');
  // It says hello again and reports the attempt it still holds, which is fenced.
  for (;;) {
    const { counters } = await client.request('status', {});
    if ((counters.fenced ?? 0) > before) break;
    await pause(200);
  }
  expect((await client.request('show', { task: id })).workerName).toBe('bellows');
});

test('a running task is explained as before by a broker that was killed and started again', async () => {
  const broker = grid.daemon(['broker']);
  grid.daemon(['worker', '--name', 'anvil', '--allow-process']);
  const client = await grid.client();
  const task = client.submit({ kind: 'process', body: { command: ['sleep', '60'] } });
  const id = await task.accepted;
  await new Promise<void>((resolve) => {
    client.watch(id, { onChange: ({ state }) => state === 'running' && resolve() });
  });
  const before = await client.request('explain', { task: id });
  expect(before).toMatchObject({
    decision: expect.stringMatching(/^placed on anvil/),
    workers: [{ feasible: true }],
  });
  await broker.kill();
  broker.start();
  await expect
    .poll(async () => (await client.request('show', { task: id })).state, { timeout: 30_000 })
    .toBe('running');
  // Journaled with three digits.
  expect(rounded(await client.request('explain', { task: id }))).toEqual(rounded(before));
  await client.request('cancel', { task: id });
  expect(await task.finished).toMatchObject({ state: 'cancelled', attempts: 1 });
});

function rounded(document: unknown): unknown {
  const digits = (key: string, value: unknown) => {
    // It runs on.
    if (key === 'ranMs') return undefined;
    return typeof value === 'number' ? value.toFixed(3) : value;
  };
  return JSON.parse(JSON.stringify(document, digits));
}
