/**
 * A task that holds more of a device than it asked for. The worker is here in this process, told that it sees the
 * host's process numbers, as the fake nvidia-smi tells them; it looks at its devices as often as a test can wait.
 */
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, statSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokerAddresses, gridOf, loadMembership } from '@gryphgen/client';
import {
  type Alarms,
  brokerSocketPath,
  loadIdentity,
  type Service,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { connectEngine, createWorker } from '@gryphgen/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { prepareHome } from '../../packages/cli/src/daemons/grid-home.ts';
import { silentLog } from './broker.fixture.ts';
import { GridFixture } from './cli-grid.fixture.ts';
import { EngineProxy } from './engine-proxy.fixture.ts';
import { docker } from './executor-container-place.ts';
import { fakeNvidiaSmi, forgeReport, rtx3060 } from './gpu-fakes.fixture.ts';

/** Looks at the devices every 0.3 s. */
const hasty: Alarms = { after: (ms, run) => systemAlarms.after(ms === 5000 ? 300 : ms, run) };

const grid = new GridFixture();
const engine = new EngineProxy();
const folder = mkdtempSync(join(tmpdir(), 'gg-fakes-'));
let worker: Service;

interface TaskJson {
  readonly state: string;
}

beforeAll(async () => {
  const { home } = grid;
  prepareHome(home, Date.now());
  grid.start('broker');
  const socketPath = join(folder, 'engine.sock');
  await engine.listen(socketPath);
  const membership = loadMembership(home);
  let onSession = (): void => undefined;
  const inSession = new Promise<void>((resolve) => {
    onSession = resolve;
  });
  worker = createWorker(
    {
      grid: gridOf(membership),
      name: 'forge',
      home,
      brokers: brokerAddresses(membership, [`ipc://${brokerSocketPath(home)}`]),
      labels: {},
      allowProcess: false,
      allowNoop: false,
      dataEndpoints: [`ipc://${folder}/data.sock`],
      brokerKey: () => membership.brokerKey,
    },
    {
      identity: loadIdentity(home, 'worker'),
      clock: systemClock,
      alarms: hasty,
      random: systemRandom,
      log: silentLog,
      onRefused: ({ message }) => {
        throw new Error(message);
      },
      docker: connectEngine({ socketPath }),
      nvidiaSmi: fakeNvidiaSmi(folder),
      seesTheHost: async () => true,
      onSession: () => onSession(),
    },
  );
  await worker.start();
  await inSession;
});

afterAll(async () => {
  await worker.stop();
  await grid.stop();
  await engine.close();
  rmSync(folder, { recursive: true });
});

const image = ['--image', 'gryphgen-test:latest'];
const lastly = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];

/** The number on the host of a task's first process, when it runs. */
async function pidOf(task: string): Promise<number> {
  const label = [`gryphgen.task=${task.slice(1)}`, `gryphgen.grid=${gridOf(loadMembership(grid.home))}`];
  for (;;) {
    const [found] = await docker.listContainers({ filters: { label } });
    if (found !== undefined) return (await docker.getContainer(found.Id).inspect()).State.Pid;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** From now on the RTX 3060 tells that these tasks hold so many MiB of it. */
async function holding(mib: Readonly<Record<string, number>>): Promise<void> {
  let left = 11_806;
  let processes = '<processes>';
  for (const [task, used] of Object.entries(mib)) {
    left -= used;
    processes += `<process_info><pid>${await pidOf(task)}</pid><type>C</type>
      <process_name>sleep</process_name><used_memory>${used} MiB</used_memory></process_info>`;
  }
  const next = join(folder, 'next.xml');
  const report = forgeReport()
    .replace('<free>11806 MiB', `<free>${left} MiB`)
    .replace(/<processes>/, processes);
  writeFileSync(next, report);
  renameSync(next, join(folder, 'forge.xml'));
}

/** Resolves when the devices have been looked at so many times more. */
async function looks(count: number): Promise<void> {
  const file = join(folder, 'looks');
  const until = statSync(file).size + count;
  const watcher = watch(file);
  while (statSync(file).size < until) await once(watcher, 'change');
  watcher.close();
}

const onBig = (vram: string) => [...image, '--vram', vram, '--gpu-uuid', rtx3060, '--', ...lastly];

it('is only told of while nobody lacks what is his', async () => {
  const id = await grid.submit(...onBig('2GiB'));
  await holding({ [id]: 3072 });
  await looks(4);
  expect(await grid.json<TaskJson>('show', id)).toMatchObject({ state: 'running' });
  const [node] = await grid.json<{ troubles: string[]; devices: { foreignBytes: number }[] }[]>('nodes');
  expect(node?.troubles).toEqual([
    `${id}.1 holds 3 GiB of NVIDIA GeForce RTX 3060 (${rtx3060}), 2 GiB reserved for it`,
  ]);
  // What is beyond its part nobody else can have: the driver's own 482 MiB, and 1 GiB.
  expect(node?.devices[0]?.foreignBytes).toBe((482 + 1024) * 2 ** 20);
  await grid.grid('cancel', id);
  await grid.grid('wait', id);
  const { stdout, stderr } = await grid.grid('logs', id);
  expect(stdout).toBe('');
  expect(stderr).toContain('[gryphgen: this task held 3 GiB of NVIDIA GeForce RTX 3060');
  await holding({});
});

it('ends when a neighbour is endangered, with words; the neighbour goes on', async () => {
  const greedy = await grid.submit(...onBig('5GiB'));
  const modest = await grid.submit(...onBig('5GiB'));
  await holding({ [greedy]: 8192, [modest]: 1024 });
  expect((await grid.grid('wait', greedy)).code).toBe(1);
  const { failure } = await grid.json<{ failure: object }>('show', greedy);
  expect(failure).toEqual({
    code: 'execution.oom',
    message: `ended because it held 8 GiB of NVIDIA GeForce RTX 3060 (${rtx3060}), 5 GiB reserved for it, while ${modest}.1 beside it could still take 4 GiB of the 5 GiB reserved for it and 2590 MiB were free`,
  });
  expect((await grid.grid('logs', greedy)).stderr).toContain('[gryphgen: this task held 8 GiB');
  await holding({ [modest]: 1024 });
  await looks(2);
  expect(await grid.json<TaskJson>('show', modest)).toMatchObject({ state: 'running' });
  await grid.grid('cancel', modest);
  await grid.grid('wait', modest);
  expect((await grid.grid('logs', modest)).stderr).toBe('');
});
