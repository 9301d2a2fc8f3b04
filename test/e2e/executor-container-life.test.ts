/** What only containers do: outlive their worker, be adopted, be isolated, run out of memory. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Envelope, encodeBody } from '@gryphgen/protocol';
import { systemClock } from '@gryphgen/runtime';
import type { ContainerExecutor, Fence, StartOrder } from '@gryphgen/worker';
import { connectEngine } from '@gryphgen/worker';
import type Docker from 'dockerode';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makePlace, newFence, orderOf, type Place, textOf } from '../conformance/executor-suite.ts';
import { createContainerExecutor, docker, image, leftovers, owner } from './executor-container-place.ts';

let place: Place;
let executor: ContainerExecutor;
let fences: Fence[];
/** Survives the worker, as its home does. */
let notes: string;

beforeEach(async () => {
  place = await makePlace();
  fences = [];
  notes = join(await mkdtemp(join(tmpdir(), 'gg-notes-')), 'containers');
  executor = createContainerExecutor(place, docker, notes);
  await live();
});

afterEach(async () => {
  for (const fence of fences) executor.forget(fence);
  await executor.close();
  await place.logs.close();
  await rm(place.folder, { recursive: true });
  await rm(dirname(notes), { recursive: true });
  expect(await leftovers()).toEqual([]);
});

async function live() {
  expect(await executor.probe()).toBe(true);
  const adopted = await executor.adopt();
  if ('notYet' in adopted) throw new Error(adopted.notYet);
  return adopted;
}

/** The worker ends and starts again. */
async function nextLife(clock = systemClock) {
  await executor.close();
  await place.logs.close();
  await rm(place.folder, { recursive: true });
  place = await makePlace();
  executor = createContainerExecutor(place, docker, notes, undefined, undefined, { clock });
  return live();
}

function order(line: string, over: Partial<Envelope> = {}, body: Record<string, unknown> = {}): StartOrder {
  const fence = newFence();
  fences.push(fence);
  return orderOf('container', fence, encodeBody({ image, command: ['sh', '-c', line], ...body }), over);
}

const nameOf = ({ task, attempt, epoch }: Fence) =>
  `gg-${owner.grid.slice(0, 8)}-t${task}.${attempt}-e${epoch}`;

/** What a worker that crashed between creating and starting leaves. */
async function createOnly({ fence, facts }: StartOrder, line: string): Promise<Docker.Container> {
  return docker.createContainer({
    name: nameOf(fence),
    Image: image,
    Cmd: ['sh', '-c', line],
    HostConfig: { NetworkMode: 'none' },
    Labels: {
      'gryphgen.grid': owner.grid,
      'gryphgen.worker': owner.worker,
      'gryphgen.task': String(fence.task),
      'gryphgen.attempt': String(fence.attempt),
      'gryphgen.epoch': String(fence.epoch),
      'gryphgen.lease': JSON.stringify(facts),
    },
  });
}

/** Says when it is asked to end, and ends when it is let go. */
const reluctant =
  'trap "echo asked; while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 7" TERM; echo up; while :; do sleep 0.05; done';

async function letGo(fence: Fence): Promise<void> {
  const container = docker.getContainer(nameOf(fence));
  const go = await container.exec({ Cmd: ['touch', '/tmp/go'] });
  await go.start({});
}

describe('a container', () => {
  it('that its worker was ending is known as such by the next life, while it runs and at its end', async () => {
    const ending = order(reluctant);
    executor.start(ending);
    await textOf(place.logs, ending.fence, /up/);
    executor.stop(ending.fence, 3_600_000, 'leaseLost');
    await textOf(place.logs, ending.fence, /asked/);
    expect(await nextLife()).toMatchObject([{ stopping: 'leaseLost', found: { phase: 'running' } }]);
    await letGo(ending.fence);
    const { exit } = await place.events.find('exited', ending.fence);
    expect(exit).toMatchObject({ exitCode: 7, stopped: true });
  });

  it('that its worker was ending and that has ended is known as such, and its note goes with it', async () => {
    const ending = order(reluctant);
    executor.start(ending);
    await textOf(place.logs, ending.fence, /up/);
    executor.stop(ending.fence, 3_600_000, 'timeout');
    await textOf(place.logs, ending.fence, /asked/);
    await executor.close();
    await letGo(ending.fence);
    await docker.getContainer(nameOf(ending.fence)).wait();
    expect(await nextLife()).toMatchObject([
      { stopping: 'timeout', found: { phase: 'ended', exit: { exitCode: 7, stopped: true } } },
    ]);
    expect(await readdir(notes)).toHaveLength(1);
    executor.forget(ending.fence);
    await executor.close();
    await expect(readdir(notes)).rejects.toThrow('ENOENT');
  });

  it('goes on with its clock in the next life', async () => {
    const running = order('echo up; sleep 60');
    executor.start(running);
    await textOf(place.logs, running.fence, /up/);
    const container = docker.getContainer(nameOf(running.fence));
    const startedMs = Date.parse((await container.inspect()).State.StartedAt);
    const before = Date.now();
    const [adopted] = await nextLife();
    if (adopted?.found.phase !== 'running') throw new Error('it does not run');
    expect(adopted.found.ranMs).toBeGreaterThanOrEqual(before - startedMs);
    expect(adopted.found.ranMs).toBeLessThanOrEqual(Date.now() - startedMs);
    executor.stop(running.fence, 0, 'drop');
  });

  it('goes on with its clock in the next life although the time of day has jumped', async () => {
    const running = order('echo up; sleep 60');
    executor.start(running);
    await textOf(place.logs, running.fence, /up/);
    const startedMono = systemClock.mono();
    for (const jumpMs of [86_400_000, -86_400_000]) {
      const [adopted] = await nextLife({ ...systemClock, wall: () => systemClock.wall() + jumpMs });
      if (adopted?.found.phase !== 'running') throw new Error('it does not run');
      const ranMs = systemClock.mono() - startedMono;
      // Far less than the jump, and more than the slowest machine takes to see that it is up.
      expect(Math.abs(adopted.found.ranMs - ranMs)).toBeLessThan(600_000);
    }
    executor.stop(running.fence, 0, 'drop');
  });

  it('outlives its worker and is adopted with its lease, its output and its end', async () => {
    const started = order('echo one; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo two; exit 4', {
      timeoutMs: 60_000,
      onLinkLost: 'wait',
    });
    executor.start(started);
    await textOf(place.logs, started.fence, /one/);
    const [adopted] = await nextLife();
    expect(adopted).toMatchObject({
      fence: started.fence,
      facts: started.facts,
      found: { phase: 'running' },
    });
    const go = await docker.getContainer(nameOf(started.fence)).exec({ Cmd: ['touch', '/tmp/go'] });
    await go.start({});
    const { exit } = await place.events.find('exited', started.fence);
    expect(exit).toMatchObject({ exitCode: 4, stopped: false });
    expect(await textOf(place.logs, started.fence)).toBe('one\ntwo\n');
  });

  it('that ended while no worker watched tells its end and its output to the next', async () => {
    const ended = order('echo done; exit 5');
    const container = await createOnly(ended, 'echo done; exit 5');
    await container.start();
    await container.wait();
    const [adopted] = await nextLife();
    expect(adopted).toMatchObject({
      fence: ended.fence,
      found: { phase: 'ended', exit: { exitCode: 5, failure: null } },
    });
    expect(await textOf(place.logs, ended.fence)).toBe('done\n');
  });

  it('that was killed while no worker watched is told apart from one that failed', async () => {
    const killed = order('sleep 60');
    const container = await createOnly(killed, 'sleep 60');
    await container.start();
    await container.kill();
    await container.wait();
    expect(await nextLife()).toMatchObject([
      { found: { phase: 'ended', exit: { exitCode: 137, stopped: true } } },
    ]);
  });

  it('that does not seem to have been started is lost: its engine may not know', async () => {
    const held = order('echo mine');
    const container = await createOnly(held, 'echo theirs');
    expect(await nextLife()).toEqual([]);
    await expect(container.inspect()).rejects.toMatchObject({ statusCode: 404 });
    expect(place.events.told).toEqual([]);
  });

  it('that ran already is never started a second time', async () => {
    const ran = order('echo again; exit 9');
    const container = await createOnly(ran, 'echo first; exit 6');
    await container.start();
    await container.wait();
    const before = (await container.inspect()).State.StartedAt;
    executor.start(ran);
    const { exit } = await place.events.find('exited', ran.fence);
    expect(exit.exitCode).toBe(6);
    expect(await textOf(place.logs, ran.fence)).toBe('first\n');
    expect((await container.inspect()).State.StartedAt).toBe(before);
  });

  it('of no attempt is removed: at adoption when it cannot be read, later by the sweep', async () => {
    const labels = { 'gryphgen.grid': owner.grid, 'gryphgen.worker': owner.worker };
    const unreadable = {
      Image: image,
      Cmd: ['sleep', '60'],
      HostConfig: { NetworkMode: 'none' },
      Labels: { ...labels, 'gryphgen.task': '1' },
    };
    await (await docker.createContainer(unreadable)).start();
    expect(await nextLife()).toEqual([]);
    expect(await leftovers()).toEqual([]);
    const stray = order('exit 0');
    await (await createOnly(stray, 'sleep 60')).start();
    const mine = order('sleep 0.5');
    executor.start(mine);
    await executor.probe();
    expect(await leftovers()).not.toContain(`/${nameOf(stray.fence)}`);
    await place.events.find('exited', mine.fence);
  });

  it('that somebody else removed is lost, in words', async () => {
    const gone = order('echo up; sleep 60');
    executor.start(gone);
    await textOf(place.logs, gone.fence, /up/);
    await docker.getContainer(nameOf(gone.fence)).remove({ force: true });
    const { exit } = await place.events.find('exited', gone.fence);
    expect(exit.failure?.code ?? exit.exitCode).toSatisfy((told) => told === 'lost.worker' || told === 137);
  });

  it('ends at its memory limit, and says so', async () => {
    const hungry = order('x=a; while :; do x=$x$x; done', {
      resources: { cpuMilli: 1000, memoryBytes: 16 * 1024 * 1024, diskBytes: 0 },
    });
    executor.start(hungry);
    const { exit } = await place.events.find('exited', hungry.fence);
    expect(exit.failure).toEqual({
      code: 'execution.oom',
      message: 'the kernel killed it at its memory limit of 16 MiB',
    });
  });

  it('is closed by default: no network, no writing but in /tmp, no capabilities, few processes', async () => {
    const script = [
      'ls /sys/class/net',
      'touch /x 2>/dev/null || echo read-only',
      'touch /tmp/x && echo scratch',
      'grep CapEff /proc/self/status',
      'grep NoNewPrivs /proc/self/status',
      'echo "$A"',
    ].join('; ');
    const closed = order(script, {}, { env: { A: 'b c' }, user: '1000:1000' });
    executor.start(closed);
    await place.events.find('exited', closed.fence);
    expect((await textOf(place.logs, closed.fence)).split('\n')).toEqual([
      'lo',
      'read-only',
      'scratch',
      'CapEff:\t0000000000000000',
      'NoNewPrivs:\t1',
      'b c',
      '',
    ]);
    const { HostConfig } = await docker.getContainer(nameOf(closed.fence)).inspect();
    expect(HostConfig).toMatchObject({
      PidsLimit: 512,
      NetworkMode: 'none',
      CpuPeriod: 100_000,
      CpuQuota: 100_000,
    });
  });

  it('whose image is not here, and may not be pulled, says which', async () => {
    const missing = order('exit 0', {}, { image: 'no-such-image:1', pull: 'never' });
    executor.start(missing);
    const { failure } = await place.events.find('startFailed', missing.fence);
    expect(failure.code).toBe('execution.image');
    expect(failure.message).toContain('no-such-image:1');
  });
});

it('adopts nothing while the engine is away that may hold containers, and all of it when it is back', async () => {
  const started = order('echo up; sleep 60');
  executor.start(started);
  await textOf(place.logs, started.fence, /up/);
  await executor.close();
  const nowhere = connectEngine({ socketPath: `${place.folder}/no.sock` });
  executor = createContainerExecutor(place, nowhere, notes);
  expect(await executor.probe()).toBe(false);
  expect(await executor.adopt()).toMatchObject({ notYet: expect.stringContaining('does not answer') });
  expect(await nextLife()).toMatchObject([{ fence: started.fence, found: { phase: 'running' } }]);
  executor.stop(started.fence, 0, 'drop');
  await place.events.find('exited', started.fence);
  executor.forget(started.fence);
  await executor.close();
  executor = createContainerExecutor(place, nowhere, notes);
  expect(await executor.probe()).toBe(false);
  expect(await executor.adopt()).toEqual([]);
});

it('without an engine offers nothing, and loses what it is given', async () => {
  const nowhere = createContainerExecutor(place, connectEngine({ socketPath: `${place.folder}/no.sock` }));
  expect(await nowhere.probe()).toBe(false);
  expect(await nowhere.adopt()).toEqual([]);
  const given = orderOf('container', newFence(), encodeBody({ image, command: [] }));
  nowhere.start(given);
  const { failure } = await place.events.find('startFailed', given.fence);
  expect(failure.code).toBe('lost.worker');
  await nowhere.close();
});
